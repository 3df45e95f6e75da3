// The hub's queue and its bounds; see mailbox.h.
#include "watch/mailbox.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::watch {
namespace {

// Credits that wait for the hub's next turn; with more it is woken for them alone.
constexpr size_t kCreditsMost = 4096;

// What a version costs besides its key and value, about.
constexpr uint64_t kVersionOverheadBytes = 128;

uint64_t BytesOf(const Publication& publication) {
  uint64_t bytes = 0;
  for (const VersionRef& version : publication.versions) {
    bytes += version->key().size() + version->value().size() + kVersionOverheadBytes;
  }
  return bytes;
}

}  // namespace

bool Mailbox::Add(Command command) {
  if (stopped_) return false;
  mail_.commands.push_back(std::move(command));
  return Wake();
}

bool Mailbox::Put(Command command) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (std::holds_alternative<TickCommand>(command)) {
    if (tick_waits_) return false;  // a hub that is late needs no second one
    tick_waits_ = true;
  }
  return Add(std::move(command));
}

bool Mailbox::PutCredit(StreamId stream, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) return false;
  std::vector<Credit>& credit = mail_.credit;
  if (!credit.empty() && credit.back().stream == stream) {
    credit.back().bytes += bytes;
  } else {
    credit.push_back({stream, bytes});
  }
  return (wants_credit_ || credit.size() >= kCreditsMost) && Wake();
}

bool Mailbox::PutPublication(Publication publication) {
  PublishCommand command{std::move(publication), 0};
  command.bytes = BytesOf(command.publication);
  const uint64_t queued = queued_bytes_.load(std::memory_order_relaxed);
  // A publication that finds nothing queued passes whatever its size.
  if (queued > 0 && queued + command.bytes > queued_bytes_most_) {
    command.bytes = 0;
    command.publication.versions = {};
  }
  ViewRef replaced;  // let go outside the lock
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) return false;
  if (command.publication.versions.empty() && !mail_.commands.empty()) {
    // The newest state is all that counts of those without versions.
    auto* last = std::get_if<PublishCommand>(&mail_.commands.back());
    if (last != nullptr && last->publication.versions.empty()) {
      replaced = std::exchange(last->publication.view, command.publication.view);
      return false;
    }
  }
  queued_bytes_.fetch_add(command.bytes, std::memory_order_relaxed);
  queued_events_.fetch_add(command.publication.versions.size(), std::memory_order_relaxed);
  return Add(std::move(command));
}

bool Mailbox::PutOpen(StreamId stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_[stream] = Waiting{};
  return Add(OpenCommand{stream});
}

bool Mailbox::PutClose(StreamId stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_.erase(stream);
  return Add(CloseCommand{stream});
}

Status Mailbox::PutRequest(StreamId stream, Incoming incoming, bool* wake) {
  std::lock_guard<std::mutex> lock(mutex_);
  *wake = false;
  const auto found = waiting_.find(stream);
  if (found == waiting_.end()) return Status::Ok();
  Waiting& waiting = found->second;
  const bool first = waiting.requests == 0;
  if (!first && (waiting.requests >= stream_requests_most_ ||
                 waiting.bytes + incoming.bytes > stream_request_bytes_most_)) {
    return Code::kTooManyRequests;
  }
  waiting.requests += 1;
  waiting.bytes += incoming.bytes;
  *wake = Add(RequestCommand{stream, std::move(incoming)});
  return Status::Ok();
}

void Mailbox::Take(Mail* mail) {
  METASTORE_CHECK(mail->credit.empty() && mail->commands.empty(), "what was taken is done with");
  std::lock_guard<std::mutex> lock(mutex_);
  tick_waits_ = false;
  std::swap(*mail, mail_);
}

bool Mailbox::Rest(bool wants_credit) {
  std::lock_guard<std::mutex> lock(mutex_);
  METASTORE_CHECK(woken_ || stopped_, "somebody was woken to empty the mailbox");
  wants_credit_ = wants_credit;
  if (!mail_.commands.empty() || (wants_credit && !mail_.credit.empty())) return false;
  woken_ = false;
  return true;
}

bool Mailbox::WantCredit(bool wants_credit) {
  std::lock_guard<std::mutex> lock(mutex_);
  wants_credit_ = wants_credit;
  return !stopped_ && wants_credit && !mail_.credit.empty() && Wake();
}

void Mailbox::Release(const std::vector<Handled>& requests) {
  if (requests.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [stream, bytes] : requests) {
    const auto found = waiting_.find(stream);
    if (found == waiting_.end()) continue;
    // A stream id that was closed and opened again may see its predecessor's requests end.
    Waiting& waiting = found->second;
    if (waiting.requests > 0) --waiting.requests;
    waiting.bytes -= std::min<uint64_t>(waiting.bytes, bytes);
  }
}

void Mailbox::Release(const PublishCommand& command) {
  queued_bytes_.fetch_sub(command.bytes, std::memory_order_relaxed);
  queued_events_.fetch_sub(command.publication.versions.size(), std::memory_order_relaxed);
}

void Mailbox::Stop() {
  Mail dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  std::swap(dropped, mail_);
  waiting_.clear();
}

}  // namespace metastore::watch
