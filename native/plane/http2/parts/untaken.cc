// Answers that clients do not take, and the budget for them that all sessions share. A client that
// reads is served whatever others leave lying: who waits is who has something to take already, and
// beyond the whole budget also who has not shown yet that it reads. See server_session.h.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "plane/http2/server_session.h"

namespace metastore::plane {
namespace {

/// With no more than this to take a client counts as one that reads.
constexpr uint64_t kTakenBytes = 256u << 10;
/// Answers up to here are given in any case.
constexpr uint64_t kSmallBytes = 64u << 10;
/// A client that has taken so much has shown that it reads.
constexpr uint64_t kProvenBytes = 1u << 20;
/// How long a client may leave an answer untouched before it may be cut off for the budget.
constexpr int64_t kUnmovedNs = int64_t{3} * 1000 * 1000 * 1000;
/// What is not yet added to the budget that all share, either way.
constexpr int64_t kStepBytes = 4096;

}  // namespace

void ServerSession::CountShared(int64_t change) {
  unsent_uncounted_ += change;
  if (unsent_uncounted_ < kStepBytes && unsent_uncounted_ > -kStepBytes) return;
  if (options_.unsent_bytes == nullptr) {
    unsent_uncounted_ = 0;
    return;
  }
  // Unsigned arithmetic wraps, so that adding a negative number subtracts.
  options_.unsent_bytes->fetch_add(static_cast<uint64_t>(unsent_uncounted_),
                                   std::memory_order_relaxed);
  unsent_uncounted_ = 0;
}

void ServerSession::CountUnsent(Stream* stream, int64_t change) {
  if (change > 0 && static_cast<int64_t>(stream->outgoing.bytes()) == change) stream->moved = true;
  unsent_bytes_ += static_cast<uint64_t>(change);
  CountShared(change);
  if (!is_holding_ && unsent_bytes_ > kTakenBytes && options_.unsent_bytes != nullptr) {
    is_holding_ = true;
    owner_->Holding();
  }
}

void ServerSession::Reserve(Stream* stream, uint64_t bytes) {
  CountShared(static_cast<int64_t>(bytes) - static_cast<int64_t>(stream->reserved));
  stream->reserved = bytes;
}

uint64_t ServerSession::UnsentOfAll() const {
  if (options_.unsent_bytes == nullptr) return 0;
  const auto all = static_cast<int64_t>(options_.unsent_bytes->load(std::memory_order_relaxed));
  // Sessions that add late can make the sum less than nothing.
  return static_cast<uint64_t>(std::max<int64_t>(0, all + unsent_uncounted_));
}

bool ServerSession::HasTakenAll() const { return unsent_bytes_ <= kTakenBytes; }

bool ServerSession::MayAnswer(uint64_t bytes) const {
  if (options_.unsent_bytes == nullptr || bytes <= kSmallBytes) return true;
  const uint64_t all = UnsentOfAll();
  if (all + bytes <= options_.unsent_bytes_most / 2) return true;
  if (!HasTakenAll()) return false;
  // While there is room an answer may be larger than that: it could never be given otherwise.
  return all <= options_.unsent_bytes_most / 2 || all + bytes <= options_.unsent_bytes_most ||
         sent_bytes_ >= kProvenBytes;
}

bool ServerSession::MustPark() const {
  if (options_.unsent_bytes == nullptr || HasTakenAll()) return false;
  // What comes later does not overtake.
  return !parked_.empty() || UnsentOfAll() > options_.unsent_bytes_most / 2;
}

bool ServerSession::Postpone(Stream* stream, uint64_t answer_bytes, uint64_t question_bytes) {
  if (stream->ended || stream->parked) return stream->parked;
  // What was set aside for it is what it comes for.
  Reserve(stream, 0);
  if (MayAnswer(answer_bytes)) return false;
  Settle(stream);
  stream->postponed = true;
  stream->answer_bytes = answer_bytes;
  Reserve(stream, question_bytes);
  Park(stream);
  return true;
}

void ServerSession::Park(Stream* stream) {
  stream->parked = true;
  parked_.push_back(stream);
  if (std::exchange(has_told_parked_, true)) return;
  owner_->Parked();
}

void ServerSession::Unpark(Stream* stream) {
  METASTORE_CHECK(stream->parked, "only who waits goes on");
  stream->parked = false;
  if (parked_.front() == stream) {
    parked_.pop_front();
  } else {
    std::erase(parked_, stream);
  }
}

void ServerSession::Settle(Stream* stream) {
  if (stream->parked) Unpark(stream);
  if (std::exchange(stream->resumed, false)) --resumed_;
  stream->postponed = false;
  if (stream->reserved > 0) Reserve(stream, 0);
}

bool ServerSession::MayUnpark(const Stream& stream) const {
  if (!HasTakenAll()) return false;
  const uint64_t all = UnsentOfAll();
  if (all + stream.answer_bytes <= options_.unsent_bytes_most / 2) return true;
  // One after the other from here on, each once there is room for what it is known to bring.
  return resumed_ == 0 && MayAnswer(stream.answer_bytes);
}

void ServerSession::Resume() {
  has_told_parked_ = false;
  if (session_ == nullptr) return;
  ServeParked();
  if (parked_.empty() || std::exchange(has_told_parked_, true)) return;
  owner_->Parked();
}

void ServerSession::ServeParked() {
  if (is_failed_) return;
  // Those that wait again are looked at next time.
  for (size_t left = parked_.size(); left > 0 && !parked_.empty(); --left) {
    if (!MayUnpark(*parked_.front())) break;
    Serve(parked_.front());
  }
}

void ServerSession::Serve(Stream* stream) {
  Unpark(stream);
  stream->resumed = true;
  ++resumed_;
  Reserve(stream, std::max(stream->answer_bytes, kSmallBytes));
  if (std::exchange(stream->postponed, false)) {
    stream->call->OnAgain();
    return;
  }
  stream->call->OnMessage(std::move(stream->first_message));
  if (!stream->ended && stream->remote_closed) stream->call->OnHalfClose();
}

bool ServerSession::IsHolding() const { return !HasTakenAll(); }

uint64_t ServerSession::Stalled(int64_t now_ns) {
  if (HasTakenAll()) is_holding_ = false;
  uint64_t stalled = 0;
  for (Stream* stream = streams_; stream != nullptr; stream = stream->next) {
    if (stream->outgoing.empty()) continue;
    if (std::exchange(stream->moved, false)) {
      stream->unmoved_since_ns = now_ns;
    } else if (now_ns - stream->unmoved_since_ns >= kUnmovedNs) {
      stalled += stream->outgoing.bytes();
    }
  }
  return stalled;
}

void ServerSession::CutOff() { Fail(NGHTTP2_ENHANCE_YOUR_CALM, "answers are not read"); }

}  // namespace metastore::plane
