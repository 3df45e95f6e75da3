// Mail to the streams of each lane; see streams.h.
#include "plane/streams/streams.h"

#include <bit>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "plane/streams/stream_call.h"

namespace metastore::plane {
namespace {

using Lanes = std::array<LaneStreams*, size_t{1} << kLaneBits>;

/// A lane's entry is looked at on the lane alone; it is null before and behind the lane's life.
struct MessagesMail final : public Mail {
  void Deliver(CallTable* calls) override {
    LaneStreams* here = (*lanes)[lane];
    if (here == nullptr) return;
    for (watch::StreamMessages& each : messages) {
      StreamCall* call = here->Find(calls, each.stream & ~kPlaneBit);
      if (call != nullptr) call->Deliver(std::move(each));
    }
  }
  const Lanes* lanes = nullptr;
  size_t lane = 0;
  std::vector<watch::StreamMessages> messages;
};

struct CallerMail final : public Mail {
  void Deliver(CallTable* calls) override {
    LaneStreams* here = (*lanes)[LaneOf(call)];
    StreamCall* found = here != nullptr ? here->Find(calls, call) : nullptr;
    if (found != nullptr) found->OnCaller(caller.view());
  }
  const Lanes* lanes = nullptr;
  CallId call = 0;
  auth::HeldCaller caller;
};

struct AnswersMail final : public Mail {
  void Deliver(CallTable* calls) override {
    for (const auto& [call, answer] : answers) {
      LaneStreams* here = (*lanes)[LaneOf(call)];
      StreamCall* found = here != nullptr ? here->Find(calls, call) : nullptr;
      if (found != nullptr) found->OnAnswer(*header, answer);
    }
  }
  const Lanes* lanes = nullptr;
  std::shared_ptr<const std::string> header;
  std::vector<std::pair<CallId, double>> answers;
};

struct EndMail final : public Mail {
  void Deliver(CallTable* calls) override {
    LaneStreams* here = (*lanes)[lane];
    if (here != nullptr) here->EndAll(calls, code, requiring_leader_only);
  }
  const Lanes* lanes = nullptr;
  size_t lane = 0;
  Code code = Code::kOk;
  bool requiring_leader_only = false;
};

}  // namespace

Streams::Streams(StreamParts parts) : parts_(std::move(parts)) {
  METASTORE_CHECK(parts_.hub != nullptr && parts_.gate != nullptr && parts_.office != nullptr &&
                      parts_.events != nullptr && parts_.route,
                  "the streams have all their parts");
  METASTORE_CHECK(parts_.office->lanes() <= kLanesMost, "a call's number names its lane");
  parts_.route(this);
}

Streams::~Streams() { parts_.route(nullptr); }

void Streams::Messages(watch::StreamMessages messages) {
  collected_[LaneOf(messages.stream)].push_back(std::move(messages));
}

void Streams::Pause() {
  for (size_t lane = 0; lane < kLanesMost; ++lane) {
    if (collected_[lane].empty()) continue;
    auto mail = std::make_unique<MessagesMail>();
    mail->lanes = &lanes_;
    mail->lane = lane;
    const size_t count = collected_[lane].size();
    mail->messages = std::exchange(collected_[lane], {});
    collected_[lane].reserve(count);
    parts_.office->Post(lane, std::move(mail));
  }
}

void Streams::WatchCaller(CallId call, const auth::Caller& caller) {
  if (LaneOf(call) >= parts_.office->lanes()) return;
  auto mail = std::make_unique<CallerMail>();
  mail->lanes = &lanes_;
  mail->call = call;
  mail->caller = auth::HeldCaller(caller);
  parts_.office->Post(LaneOf(call), std::move(mail));
}

bool Streams::KeepAlivesDone(std::string_view answers) {
  ByteReader reader(answers);
  uint32_t header_bytes = 0;
  std::string_view header;
  if (!reader.ReadLittle32(&header_bytes) || !reader.ReadBytes(header_bytes, &header)) return false;
  constexpr size_t kAnswerBytes = 16;
  if (reader.rest().size() % kAnswerBytes != 0) return false;
  const auto shared = std::make_shared<const std::string>(header);
  std::array<std::unique_ptr<AnswersMail>, kLanesMost> mail;
  uint64_t call_bits = 0;
  uint64_t answer_bits = 0;
  while (reader.ReadLittle64(&call_bits) && reader.ReadLittle64(&answer_bits)) {
    const auto number = std::bit_cast<double>(call_bits);
    const auto answer = std::bit_cast<double>(answer_bits);
    // Calls are counted below 2^53, and so are seconds; comparisons with no number are false.
    constexpr double kMost = 9007199254740992.0;
    if (!(number >= 0 && number < kMost && answer > -kMost && answer < kMost)) return false;
    const auto call = static_cast<CallId>(number);
    const size_t lane = LaneOf(call);
    if (lane >= parts_.office->lanes()) return false;
    if (mail[lane] == nullptr) {
      mail[lane] = std::make_unique<AnswersMail>();
      mail[lane]->lanes = &lanes_;
      mail[lane]->header = shared;
    }
    mail[lane]->answers.emplace_back(call, answer);
  }
  for (size_t lane = 0; lane < kLanesMost; ++lane) {
    if (mail[lane] != nullptr) parts_.office->Post(lane, std::move(mail[lane]));
  }
  return true;
}

void Streams::EndAll(Code code, bool requiring_leader_only) {
  // First: a lane that has not seen it yet has its mail still to come.
  if (!requiring_leader_only) stopped_.store(true);
  for (size_t lane = 0; lane < parts_.office->lanes(); ++lane) {
    auto mail = std::make_unique<EndMail>();
    mail->lanes = &lanes_;
    mail->lane = lane;
    mail->code = code;
    mail->requiring_leader_only = requiring_leader_only;
    parts_.office->Post(lane, std::move(mail));
  }
}

std::vector<double> Streams::Counts() const {
  std::vector<double> numbers;
  watch_counts_.Append(&numbers);
  keep_alive_counts_.Append(&numbers);
  return numbers;
}

}  // namespace metastore::plane
