// HTTP/2 and gRPC of the client; see client_session.h. What the server sends is in answers.cc of
// http2/.
#include "wire/client_session.h"

#include <algorithm>
#include <array>
#include <utility>

namespace metastore::load {

namespace {

constexpr std::array<std::string_view, kMethods> kPaths = {"/etcdserverpb.KV/Range",
                                                           "/etcdserverpb.KV/Put",
                                                           "/etcdserverpb.KV/Txn",
                                                           "/etcdserverpb.KV/DeleteRange",
                                                           "/etcdserverpb.Lease/LeaseGrant",
                                                           "/etcdserverpb.Lease/LeaseKeepAlive",
                                                           "/etcdserverpb.Auth/Authenticate",
                                                           "/etcdserverpb.Watch/Watch"};

constexpr uint16_t kEnablePush = 2;
constexpr uint16_t kInitialWindow = 4;
constexpr size_t kSettingBytes = 6;
constexpr uint32_t kDefaultWindow = 65535;

}  // namespace

ClientSession::ClientSession(const std::string& authority, const std::string& token, bool tls,
                             CallHandler* handler)
    : handler_(handler), heads_({kPaths.begin(), kPaths.end()}, authority, token, tls) {
  out_ = kPreface;
  AppendFrameHeader({2 * kSettingBytes, FrameType::kSettings, 0, 0}, &out_);
  AppendSetting(kEnablePush, 0, &out_);
  AppendSetting(kInitialWindow, kStreamWindowBytes, &out_);
  AppendNumberFrame(FrameType::kWindowUpdate, 0, kConnectionWindowBytes - kDefaultWindow, &out_);
}

Call* ClientSession::NewCall() {
  if (free_.empty()) {
    calls_.push_back(std::make_unique<Call>());
    calls_.back()->session = this;
    free_.push_back(calls_.back().get());
  }
  Call* call = free_.back();
  free_.pop_back();
  call->out.clear();
  call->sent = 0;
  call->half_close = true;
  call->is_right = false;
  call->status = -1;
  call->error_text.clear();
  call->partial.clear();
  return call;
}

bool ClientSession::Start(Call* call, Method method) {
  if (!IsOpen()) {
    Recycle(call);
    return false;
  }
  call->method = method;
  if (streams_.used() >= streams_most_) {
    call->stream = 0;
    waiting_.push_back(call);
  } else {
    Open(call);
  }
  return true;
}

void ClientSession::Open(Call* call) {
  streams_.Open(call);
  call->window = stream_window_;
  call->owed = 0;
  call->is_sent = false;
  const std::string_view head = heads_.Next(static_cast<size_t>(call->method));
  AppendFrameHeader(
      {static_cast<uint32_t>(head.size()), FrameType::kHeaders, kEndHeaders, call->stream}, &out_);
  out_.append(head);
  Send(call);
}

void ClientSession::Send(Call* call) {
  while (!call->is_sent) {
    const size_t left = call->out.size() - call->sent;
    if (left == 0 && !call->half_close) break;
    const int64_t room =
        std::min<int64_t>({window_, call->window, static_cast<int64_t>(frame_bytes_most_)});
    if (left > 0 && room <= 0) {
      if (!std::exchange(call->is_blocked, true)) blocked_.push_back(call);
      return;
    }
    const size_t size = std::min(left, static_cast<size_t>(std::max<int64_t>(room, 0)));
    call->is_sent = call->half_close && size == left;
    const uint8_t flags = call->is_sent ? kEndStream : 0;
    AppendFrameHeader({static_cast<uint32_t>(size), FrameType::kData, flags, call->stream}, &out_);
    out_.append(call->out, call->sent, size);
    call->sent += size;
    call->window -= static_cast<int64_t>(size);
    window_ -= static_cast<int64_t>(size);
  }
  call->out.clear();
  call->sent = 0;
}

void ClientSession::SendBlocked() {
  std::vector<Call*> blocked;
  blocked.swap(blocked_);
  for (Call* call : blocked) call->is_blocked = false;
  for (Call* call : blocked) Send(call);
}

void ClientSession::Resume(Call* call) {
  if (call->stream > 0 && !call->is_blocked) Send(call);
}

void ClientSession::StartWaiting() {
  while (!waiting_.empty() && IsOpen() && streams_.used() < streams_most_) {
    Call* call = waiting_.front();
    waiting_.pop_front();
    Open(call);
  }
}

void ClientSession::Finish(Call* call, uint32_t http2_error) {
  if (call->stream > 0) streams_.Close(call);
  if (std::exchange(call->is_blocked, false)) std::erase(blocked_, call);
  if (!waiting_.empty()) StartWaiting();
  handler_->OnEnd(call, http2_error);
  Recycle(call);
}

void ClientSession::Recycle(Call* call) {
  call->stream = -1;
  free_.push_back(call);
}

void ClientSession::Produce(std::string* out) {
  if (out->empty()) {
    out->swap(out_);
  } else {
    out->append(out_);
    out_.clear();
  }
}

bool ClientSession::IsOpen() const { return !is_going_away_ && streams_.has_numbers(); }

void ClientSession::Lost() {
  is_going_away_ = true;
  std::deque<Call*> waiting;
  waiting.swap(waiting_);
  for (Call* call : waiting) Finish(call, kConnectError);
  streams_.Each([this](Call* call) { Finish(call, kConnectError); });
}

}  // namespace metastore::load
