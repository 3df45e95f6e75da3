// Encoding of completion records; see completions.h.
#include "apply/completions.h"

#include <bit>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::apply {
namespace {

constexpr size_t kLengthBytes = 4;
/// kind, ticket, code: what stands before a result's reply, after the length.
constexpr size_t kResultHeadBytes = 1 + 8 + 2;
constexpr size_t kMaxReplyBytes = 0x7fffffff;
/// call, code, length: what stands before a reply to the plane.
constexpr size_t kPlaneHeadBytes = 8 + 2 + 4;
constexpr size_t kPlaneCodeAt = 8;
constexpr size_t kPlaneLengthAt = 10;

void AppendCode(std::string* out, Code code) {
  const auto value = static_cast<uint16_t>(code);
  out->push_back(static_cast<char>(value & 0xff));
  out->push_back(static_cast<char>(value >> 8));
}

}  // namespace

bool NextPlaneResult(std::string_view* records, PlaneResult* result) {
  if (records->size() < kPlaneHeadBytes) return false;
  const char* head = records->data();
  result->call = GetLittle64(head);
  result->code = static_cast<Code>(GetLittle16(head + kPlaneCodeAt));
  const size_t length = GetLittle32(head + kPlaneLengthAt);
  METASTORE_CHECK(length <= records->size() - kPlaneHeadBytes, "results are whole");
  result->reply = records->substr(kPlaneHeadBytes, length);
  records->remove_prefix(kPlaneHeadBytes + length);
  return true;
}

void CompletionBatch::Begin(Kind kind) {
  tells_more_ = tells_more_ || kind != Kind::kApplied;
  record_ = bytes_.size();
  bytes_.append(kLengthBytes, '\0');
  bytes_.push_back(static_cast<char>(kind));
}

void CompletionBatch::End() {
  const size_t length = bytes_.size() - record_ - kLengthBytes;
  METASTORE_CHECK(length <= UINT32_MAX, "completion record too long");
  PutLittle32(bytes_.data() + record_, static_cast<uint32_t>(length));
}

/// Numbers cross as doubles: exact below 2^53, and one read in JavaScript.
void CompletionBatch::Number(uint64_t value) {
  AppendLittle64(&bytes_, std::bit_cast<uint64_t>(static_cast<double>(value)));
}

void CompletionBatch::SignedNumber(int64_t value) {
  AppendLittle64(&bytes_, std::bit_cast<uint64_t>(static_cast<double>(value)));
}

void CompletionBatch::Durable(uint64_t sequence) {
  Begin(Kind::kDurable);
  Number(sequence);
  End();
}

void CompletionBatch::Applied(uint64_t index, int64_t revision) {
  Begin(Kind::kApplied);
  Number(index);
  SignedNumber(revision);
  End();
}

void CompletionBatch::BeginResult(uint64_t ticket) {
  if (plane::IsOfPlane(ticket)) {
    const plane::CallId call = ticket & ~plane::kPlaneBit;
    lane_ = plane::LaneOf(call);
    has_plane_ = true;
    record_ = reply()->size();
    AppendLittle64(reply(), call);
    reply()->append(kPlaneHeadBytes - sizeof(call), '\0');
    return;
  }
  has_results_ = true;
  Begin(Kind::kResult);
  Number(ticket);
  AppendCode(&bytes_, Code::kOk);
}

void CompletionBatch::EndPlaneResult(Code code) {
  std::string& records = *reply();
  const size_t head = record_ + kPlaneHeadBytes;
  if (records.size() - head > kMaxReplyBytes) code = Code::kInternal;
  if (code != Code::kOk) records.resize(head);
  PutLittle16(records.data() + record_ + kPlaneCodeAt, static_cast<uint16_t>(code));
  PutLittle32(records.data() + record_ + kPlaneLengthAt,
              static_cast<uint32_t>(records.size() - head));
  lane_ = kNoLane;
}

void CompletionBatch::EndResult(Code code) {
  if (lane_ != kNoLane) return EndPlaneResult(code);
  const size_t head = record_ + kLengthBytes + kResultHeadBytes;
  if (bytes_.size() - head > kMaxReplyBytes) code = Code::kInternal;
  if (code != Code::kOk) {
    bytes_.resize(head - 2);
    AppendCode(&bytes_, code);
  }
  End();
}

void CompletionBatch::Result(uint64_t ticket, Code code, std::string_view reply) {
  BeginResult(ticket);
  if (code == Code::kOk) this->reply()->append(reply);
  EndResult(code);
}

void CompletionBatch::Control(uint64_t index, uint64_t term, uint8_t type,
                              std::string_view request) {
  Begin(Kind::kControl);
  Number(index);
  Number(term);
  bytes_.push_back(static_cast<char>(type));
  bytes_.append(request);
  End();
}

void CompletionBatch::Lease(int64_t id, int64_t ttl_seconds) {
  Begin(Kind::kLease);
  AppendLittle64(&bytes_, static_cast<uint64_t>(id));
  SignedNumber(ttl_seconds);
  End();
}

void CompletionBatch::LeaseCheckpoint(int64_t id, int64_t remaining_ttl_seconds) {
  Begin(Kind::kLeaseCheckpoint);
  AppendLittle64(&bytes_, static_cast<uint64_t>(id));
  SignedNumber(remaining_ttl_seconds);
  End();
}

void CompletionBatch::Watch(uint64_t stream, std::string_view message) {
  Begin(Kind::kWatch);
  Number(stream);
  bytes_.append(message);
  End();
}

void CompletionBatch::Checkpoint(uint64_t durable_applied_index) {
  Begin(Kind::kCheckpoint);
  Number(durable_applied_index);
  End();
}

void CompletionBatch::Truncated(uint64_t start_index) {
  Begin(Kind::kTruncated);
  Number(start_index);
  End();
}

void CompletionBatch::Log(uint8_t level, std::string_view message, std::string_view fields_json) {
  Begin(Kind::kLog);
  bytes_.push_back(static_cast<char>(level));
  AppendLittle32(&bytes_, static_cast<uint32_t>(message.size()));
  bytes_.append(message);
  bytes_.append(fields_json);
  End();
}

void CompletionBatch::Alarm(uint64_t member_id, int32_t alarm, bool active) {
  Begin(Kind::kAlarm);
  AppendLittle64(&bytes_, member_id);
  AppendLittle32(&bytes_, static_cast<uint32_t>(alarm));
  bytes_.push_back(active ? 1 : 0);
  End();
}

void CompletionBatch::Slow(SlowKind kind, const Measured& measured) {
  Begin(Kind::kSlow);
  bytes_.push_back(static_cast<char>(kind));
  AppendLittle64(&bytes_, std::bit_cast<uint64_t>(measured.seconds));
  AppendCode(&bytes_, measured.code);
  Number(measured.reply_bytes);
  SignedNumber(measured.rows);
  bytes_.append(measured.request);
  End();
}

void CompletionBatch::QuotaExceeded() {
  Begin(Kind::kQuotaExceeded);
  End();
}

void CompletionBatch::Held(uint64_t ticket) {
  Begin(Kind::kHeld);
  Number(ticket);
  End();
}

size_t CompletionBatch::all_bytes() const {
  size_t bytes = bytes_.size();
  for (const std::string& results : plane_) bytes += results.size();
  return bytes;
}

void CompletionBatch::Clear() {
  bytes_.clear();
  for (std::string& results : plane_) results.clear();
  has_plane_ = false;
  tells_more_ = false;
  has_results_ = false;
  lane_ = kNoLane;
}

void CompletionQueue::SetSink(std::shared_ptr<ResultSink> sink) {
  METASTORE_CHECK(sink_.load() == nullptr, "the sink is set once");
  sink_owner_ = std::move(sink);
  sink_.store(sink_owner_.get(), std::memory_order_release);
}

void CompletionQueue::Wake() {
  if (!woken_.exchange(true)) wake_();
}

void CompletionQueue::Append(CompletionBatch* batch) {
  if (Add(batch)) Wake();
}

void CompletionQueue::AppendQuietly(CompletionBatch* batch) { (void)Add(batch); }

bool CompletionQueue::Add(CompletionBatch* batch) {
  if (batch->has_plane_) HandOut(batch);
  batch->tells_more_ = false;
  if (std::exchange(batch->has_results_, false)) results_wait_.Begin();
  if (batch->bytes_.empty()) return false;
  bool dropped = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    dropped = failed_.load();
    if (!dropped) {
      if (bytes_.empty()) {
        bytes_.swap(batch->bytes_);
      } else {
        bytes_.append(batch->bytes_);
      }
    }
  }
  batch->bytes_.clear();
  return !dropped;
}

void CompletionQueue::HandOut(CompletionBatch* batch) {
  batch->has_plane_ = false;
  ResultSink* sink = failed() ? nullptr : sink_.load(std::memory_order_acquire);
  for (size_t lane = 0; lane < batch->plane_.size(); ++lane) {
    std::string& results = batch->plane_[lane];
    if (results.empty()) continue;
    if (sink != nullptr) {
      if (undelivered_.fetch_add(results.size()) == 0) delivering_.Begin();
      sink->Results(lane, std::move(results));
    }
    results.clear();
  }
}

void CompletionQueue::Want(Demand demand, uint64_t waiting) {
  // An exchange even when the bit is set already: it orders the request before the Drain that takes
  // the bit, and so before what is done about it.
  const uint8_t before = demand_.fetch_or(demand);
  const uint32_t wake_at = demand == kDemandProposals ? wake_at_.load() : 0;
  if (wake_at != 0) {
    // What is held is taken by whoever lets go, unless there is enough before.
    if (waiting >= wake_at) Wake();
    return;
  }
  if ((before & demand) != 0) return;
  // Either this sees that the write has ended, or the write's end sees the bit.
  if (demand == kDemandProposals && writes_.load() != 0) return;
  Wake();
}

void CompletionQueue::WriteEnds() {
  METASTORE_CHECK(writes_.fetch_sub(1) != 0, "what ends has begun");
  const uint8_t demand = demand_.load();
  if (holds() ? (demand & ~kDemandProposals) != 0 : demand != 0) Wake();
}

void CompletionQueue::Release() {
  wake_at_.store(0);
  // What set the bit before is in the queue, and is taken; what comes now sets it again and wakes.
  demand_.fetch_and(static_cast<uint8_t>(~kDemandProposals));
}

void CompletionQueue::Delivered(size_t bytes) {
  Replied(delivering_.End());
  const size_t before = undelivered_.fetch_sub(bytes);
  if (before <= kPlaneRoomBytes || before - bytes > kPlaneRoomBytes) return;
  { std::lock_guard<std::mutex> lock(mutex_); }  // whoever waits has looked before, or looks after
  room_.notify_all();
}

void CompletionQueue::Fatal(std::string_view message) {
  CompletionBatch batch;
  batch.Begin(Kind::kFatal);
  batch.bytes_.append(message);
  batch.End();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_.load()) return;
    failed_.store(true);
    bytes_.append(batch.bytes_);
  }
  room_.notify_all();
  Wake();
}

std::string CompletionQueue::Drain() {
  // First: whatever comes from here on wakes again.
  woken_.store(false);
  const uint8_t demand = demand_.load() == 0 ? 0 : demand_.exchange(0);
  std::string out;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    out.swap(bytes_);
  }
  Replied(results_wait_.End());
  if (out.size() > kRoomBytes) room_.notify_all();
  if (demand != 0) {
    AppendLittle32(&out, 2);
    out.push_back(static_cast<char>(Kind::kDemand));
    out.push_back(static_cast<char>(demand));
  }
  return out;
}

void CompletionQueue::WaitForRoom() {
  std::unique_lock<std::mutex> lock(mutex_);
  room_.wait(lock, [this] {
    return unbounded_ || failed_ ||
           (bytes_.size() <= kRoomBytes && undelivered_.load() <= kPlaneRoomBytes);
  });
}

void CompletionQueue::Open() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    unbounded_ = true;
  }
  room_.notify_all();
}

}  // namespace metastore::apply
