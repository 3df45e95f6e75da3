// Layouts of events.h.
#include "plane/foreign/events.h"

#include <bit>

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::plane {

void EventBatch::Begin(EventKind kind) {
  record_ = bytes_.size();
  bytes_.append(4, '\0');
  bytes_.push_back(static_cast<char>(kind));
}

void EventBatch::End() {
  const size_t size = bytes_.size() - record_ - 4;
  METASTORE_CHECK(size <= UINT32_MAX, "an event's size fits its field");
  PutLittle32(bytes_.data() + record_, static_cast<uint32_t>(size));
}

void EventBatch::Number(uint64_t value) {
  AppendLittle64(&bytes_, std::bit_cast<uint64_t>(static_cast<double>(value)));
}

void EventBatch::SignedNumber(int64_t value) {
  AppendLittle64(&bytes_, std::bit_cast<uint64_t>(static_cast<double>(value)));
}

void EventBatch::Text(std::string_view text) {
  AppendLittle32(&bytes_, static_cast<uint32_t>(text.size()));
  bytes_.append(text);
}

void EventBatch::Pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  AppendLittle32(&bytes_, static_cast<uint32_t>(pairs.size()));
  for (const auto& [name, value] : pairs) {
    Text(name);
    Text(value);
  }
}

void EventBatch::Call(CallId call, uint64_t connection, const RequestHead& head,
                      const std::string* message) {
  Begin(EventKind::kCall);
  Number(call);
  Number(connection);
  SignedNumber(head.timeout_ns);
  bytes_.push_back(message == nullptr ? 0 : 1);
  Text(head.path);
  Pairs(head.metadata);
  if (message != nullptr) bytes_.append(*message);
  End();
}

void EventBatch::Message(CallId call, std::string_view bytes) {
  Begin(EventKind::kMessage);
  Number(call);
  bytes_.append(bytes);
  End();
}

void EventBatch::HalfClose(CallId call) {
  Begin(EventKind::kHalfClose);
  Number(call);
  End();
}

void EventBatch::Ended(CallId call) {
  Begin(EventKind::kEnded);
  Number(call);
  End();
}

void EventBatch::Taken(CallId call, uint64_t messages) {
  Begin(EventKind::kTaken);
  Number(call);
  Number(messages);
  End();
}

void EventBatch::Http(CallId call, uint64_t connection, const HttpHead& head) {
  Begin(EventKind::kHttp);
  Number(call);
  Number(connection);
  Text(head.method);
  Text(head.path);
  Text(head.authority);
  Pairs(head.headers);
  End();
}

void EventBatch::Output(uint64_t connection, std::string_view bytes) {
  Begin(EventKind::kOutput);
  Number(connection);
  bytes_.append(bytes);
  End();
}

void EventBatch::Closed(uint64_t connection) {
  Begin(EventKind::kClosed);
  Number(connection);
  End();
}

void EventBatch::Log(uint8_t level, std::string_view text) {
  Begin(EventKind::kLog);
  bytes_.push_back(static_cast<char>(level));
  bytes_.append(text);
  End();
}

void EventBatch::Raw(EventKind kind, std::string_view fields) {
  Begin(kind);
  bytes_.append(fields);
  End();
}

void EventQueue::Append(EventBatch* batch) {
  if (batch->empty()) return;
  bool was_empty = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    was_empty = bytes_.empty();
    if (was_empty) {
      bytes_.swap(batch->bytes_);
    } else {
      bytes_.append(batch->bytes_);
    }
    waiting_bytes_.store(bytes_.size(), std::memory_order_relaxed);
  }
  batch->bytes_.clear();
  if (was_empty) wake_();
}

void EventQueue::Raw(EventKind kind, std::string_view fields) {
  EventBatch batch;
  batch.Raw(kind, fields);
  Append(&batch);
}

std::string EventQueue::Drain() {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_bytes_.store(0, std::memory_order_relaxed);
  return std::exchange(bytes_, std::string());
}

}  // namespace metastore::plane
