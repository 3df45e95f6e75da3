// Input, output and the end of connection.h.
#include "plane/loop/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "plane/loop/lane.h"

namespace metastore::plane {
namespace {

/// Output that is made ahead of a client that does not read; with more, nothing is read from it.
constexpr size_t kAheadBytes = 256u << 10;
/// Output of a fed connection that JavaScript may hold.
constexpr uint64_t kOutstandingBytes = 1u << 20;
/// One write takes at most so much.
constexpr size_t kWriteBytes = 256u << 10;
/// Writes of one connection before others have their turn.
constexpr int kWritesPerTurn = 2;
/// How long a client may take to read what is said last.
constexpr int64_t kEndingNs = 1000000000;
/// The same once the server is stopping, which must not wait for clients that do not care.
constexpr int64_t kLastLingerNs = 200000000;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

}  // namespace

Connection::Connection(Lane* lane, int descriptor, Peer peer, const SessionOptions& options)
    : lane_(lane), peer_(std::move(peer)), descriptor_(descriptor), is_fed_(descriptor < 0) {
  session_ = Session::Create(options, this, &peer_, lane_->now_ns());
}

Connection::~Connection() {
  METASTORE_CHECK(phase_ == Phase::kOver, "a connection is closed before it goes");
}

bool Connection::Start(std::string_view first_bytes) {
  if (!is_fed_) {
    if (uv_poll_init(lane_->loop(), &poll_, descriptor_) != 0) {
      close(std::exchange(descriptor_, -1));
      session_->Lost();
      session_.reset();
      phase_ = Phase::kOver;
      return false;
    }
    poll_.data = this;
    Poll();
  }
  if (!first_bytes.empty()) {
    Receive(first_bytes);
  } else {
    After(true);
  }
  return true;
}

// ---- In. -------------------------------------------------------------------------------------

void Connection::OnPoll(uv_poll_t* handle, int status, int events) {
  auto* self = static_cast<Connection*>(handle->data);
  self->lane_->BeginTurn();
  // libuv tells of an error of the socket by a status, and has stopped polling then.
  if (status < 0) return self->Lose();
  if ((events & UV_READABLE) != 0) self->OnReadable();
  if ((events & UV_WRITABLE) == 0 || self->phase_ == Phase::kOver || !self->blocked_) return;
  size_t written = 0;
  if (!self->WriteOut(std::string_view(self->out_).substr(self->out_at_), &written)) {
    return self->Lose();
  }
  self->out_at_ += written;
  if (self->unwritten() > 0) return;
  self->blocked_ = false;
  self->out_ = std::string();
  self->out_at_ = 0;
  self->Poll();
  self->lane_->MarkDirty(self);
}

void Connection::OnReadable() {
  const std::string_view buffer = lane_->read_buffer();
  const ssize_t size = recv(descriptor_, const_cast<char*>(buffer.data()), buffer.size(), 0);
  if (size < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) Lose();
    return;
  }
  lane_->counts().reads.Add();
  lane_->counts().read_bytes.Add(static_cast<uint64_t>(size));
  if (size == 0) return Lose();
  if (phase_ == Phase::kOpen) Receive(buffer.substr(0, static_cast<size_t>(size)));
}

void Connection::Feed(std::string_view bytes) {
  lane_->counts().reads.Add();
  lane_->counts().read_bytes.Add(bytes.size());
  if (phase_ == Phase::kOpen) Receive(bytes);
}

void Connection::Receive(std::string_view bytes) {
  lane_->BeginInput();
  const bool goes_on = session_->Receive(bytes, lane_->now_ns());
  lane_->EndInput();
  After(goes_on);
}

void Connection::After(bool goes_on) {
  lane_->MarkDirty(this);
  if (!goes_on) return End();
  SetTimer();
}

void Connection::Relax() {
  withheld_ = false;
  if (phase_ != Phase::kOpen) return;
  session_->Relax();
  lane_->MarkDirty(this);
}

void Connection::Resume() {
  if (phase_ != Phase::kOpen) return;
  session_->Resume();
  lane_->MarkDirty(this);
}

void Connection::CutOff() {
  if (phase_ != Phase::kOpen) return;
  session_->CutOff();
  // What waits for the socket is what the client has not read: no more is said behind it.
  if (blocked_) return Lose();
  End();
}

// ---- Time. -----------------------------------------------------------------------------------

void Connection::SetTimer() {
  const int64_t next = phase_ == Phase::kOpen ? session_->NextTimeNs() : kNever;
  const int64_t due = std::min(next, end_by_ns_);
  // A timer that comes too early is looked at then; setting each anew would cost more.
  if (due < due_ns()) lane_->SetTimer(this, due);
}

void Connection::OnTime() {
  const int64_t now = lane_->now_ns();
  if (now >= end_by_ns_) return Lose();
  if (phase_ == Phase::kOpen && session_->NextTimeNs() <= now) {
    return After(session_->OnTime(now));
  }
  SetTimer();
}

// ---- Out. ------------------------------------------------------------------------------------

bool Connection::WriteOut(std::string_view bytes, size_t* written) {
  *written = 0;
  while (*written < bytes.size()) {
    const ssize_t size =
        send(descriptor_, bytes.data() + *written, bytes.size() - *written, kSendFlags);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (size < 0) return false;
    lane_->counts().writes.Add();
    lane_->counts().written_bytes.Add(static_cast<uint64_t>(size));
    *written += static_cast<size_t>(size);
  }
  return true;
}

bool Connection::Flush() {
  if (session_ == nullptr) return false;
  const Flushed flushed = is_fed_ ? FlushFed() : FlushSocket();
  if (session_ == nullptr) return false;
  if (flushed == Flushed::kAll) {
    if (phase_ == Phase::kEnding) {
      FinishEnding();
      return false;
    }
    if (session_->Done()) End();  // marks it dirty: the next round finishes it
  }
  SetTimer();
  return flushed == Flushed::kMore;
}

Connection::Flushed Connection::FlushSocket() {
  const int64_t now = lane_->now_ns();
  if (blocked_) {
    while (unwritten() < kAheadBytes && session_->HasOutput()) {
      const size_t before = out_.size();
      session_->Produce(&out_, kAheadBytes - unwritten(), now);
      if (out_.size() == before) break;
    }
    Poll();
    return Flushed::kWaits;
  }
  std::string& scratch = *lane_->scratch();
  for (int i = 0; i < kWritesPerTurn && session_->HasOutput(); ++i) {
    scratch.clear();
    session_->Produce(&scratch, kWriteBytes, now);
    if (scratch.empty()) return Flushed::kAll;
    size_t written = 0;
    if (!WriteOut(scratch, &written)) {
      Lose();
      return Flushed::kWaits;
    }
    if (written < scratch.size()) {
      out_.assign(scratch, written);
      out_at_ = 0;
      blocked_ = true;
      Poll();
      return Flushed::kWaits;
    }
  }
  return session_->HasOutput() ? Flushed::kMore : Flushed::kAll;
}

Connection::Flushed Connection::FlushFed() {
  std::string& scratch = *lane_->scratch();
  while (session_->HasOutput()) {
    if (outstanding_ >= kOutstandingBytes) return Flushed::kWaits;
    scratch.clear();
    session_->Produce(&scratch, std::min<size_t>(kWriteBytes, kOutstandingBytes - outstanding_),
                      lane_->now_ns());
    if (scratch.empty()) break;
    outstanding_ += scratch.size();
    lane_->counts().writes.Add();
    lane_->counts().written_bytes.Add(scratch.size());
    lane_->events()->Output(number(), scratch);
  }
  return Flushed::kAll;
}

void Connection::OutputTaken(uint64_t bytes) {
  outstanding_ -= std::min(bytes, outstanding_);
  lane_->MarkDirty(this);
}

void Connection::Poll() {
  int wanted = blocked_ ? UV_WRITABLE : 0;
  const bool reads = phase_ == Phase::kOpen && (!blocked_ || unwritten() < kAheadBytes);
  if (reads || phase_ == Phase::kLingering) wanted |= UV_READABLE;
  if (wanted == polled_) return;
  polled_ = wanted;
  if (wanted == 0) {
    uv_poll_stop(&poll_);
  } else {
    uv_poll_start(&poll_, wanted, OnPoll);
  }
}

// ---- The end. --------------------------------------------------------------------------------

void Connection::Drain() {
  if (phase_ != Phase::kOpen) return;
  session_->Drain();
  lane_->MarkDirty(this);
}

void Connection::End() {
  if (phase_ != Phase::kOpen) return;
  phase_ = Phase::kEnding;
  end_by_ns_ = lane_->now_ns() + kEndingNs;
  if (!is_fed_) Poll();
  SetTimer();
  lane_->MarkDirty(this);
}

void Connection::FinishEnding() {
  session_->Lost();
  session_.reset();
  // Closing at once would answer what the client still sends with a reset, which may overtake the
  // last words.
  if (is_fed_ || shutdown(descriptor_, SHUT_WR) != 0) return Close();
  phase_ = Phase::kLingering;
  if (lane_->is_draining()) {
    end_by_ns_ = std::min(end_by_ns_, lane_->now_ns() + kLastLingerNs);
    SetTimer();
  }
  Poll();
}

void Connection::Lose() {
  if (phase_ == Phase::kOver) return;
  if (session_ != nullptr) {
    session_->Lost();
    session_.reset();
  }
  Close();
}

void Connection::Shut() {
  if (phase_ == Phase::kOpen) session_->Drain();
  Flush();
  Lose();
}

void Connection::Close() {
  phase_ = Phase::kOver;
  lane_->Forget(this);
  if (is_fed_) return lane_->Bury(this);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
           [](uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); });
  close(std::exchange(descriptor_, -1));
}

// ---- Calls. ----------------------------------------------------------------------------------

CallId Connection::NextCallId() { return lane_->slots()->Next(); }

std::unique_ptr<Call> Connection::MakeCall(CallId id, Wire* wire) {
  std::unique_ptr<Call> call = lane_->MakeCall(id, wire);
  lane_->slots()->Put(id, call.get(), this);
  return call;
}

std::unique_ptr<Call> Connection::MakeHttp(CallId id, HttpWire* wire) {
  std::unique_ptr<Call> call = lane_->MakeHttp(id, wire);
  lane_->slots()->Put(id, call.get(), this);
  return call;
}

void Connection::Closed(CallId id) { lane_->slots()->Remove(id); }

void Connection::Withheld() {
  if (std::exchange(withheld_, true)) return;
  lane_->OnWithheld(number());
}

void Connection::Parked() { lane_->OnParked(number()); }

void Connection::Holding() { lane_->OnHolding(number()); }

}  // namespace metastore::plane
