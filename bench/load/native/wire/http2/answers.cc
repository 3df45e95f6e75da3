// What the server sends: the receiving half of ClientSession (RFC 9113, section 6).
#include <algorithm>
#include <utility>

#include "wire/client_session.h"

namespace metastore::load {

namespace {

constexpr uint32_t kRefused = 7;
constexpr uint32_t kCancel = 8;
constexpr int64_t kWindowMost = 0x7fffffff;
constexpr size_t kHeadBytesMost = 1u << 20;
constexpr size_t kSettingBytes = 6;
constexpr size_t kPrefix = 5;  // of gRPC's messages
constexpr uint32_t kHeaderTableSize = 1;
constexpr uint32_t kConcurrentStreams = 3;
constexpr uint32_t kInitialWindow = 4;
constexpr uint32_t kFrameSize = 5;

/// Takes padding off; false when there is more of it than payload.
bool Unpad(const FrameHeader& frame, std::string_view* payload) {
  if (!frame.Has(kPadded)) return true;
  if (payload->empty()) return false;
  const auto padding = static_cast<uint8_t>(payload->front());
  payload->remove_prefix(1);
  if (padding > payload->size()) return false;
  payload->remove_suffix(padding);
  return true;
}

}  // namespace

bool ClientSession::Receive(std::string_view bytes) {
  while (!partial_.empty() && !bytes.empty()) {
    size_t wanted = kFrameHeaderBytes;
    if (partial_.size() >= kFrameHeaderBytes) wanted += ReadFrameHeader(partial_.data()).length;
    if (wanted > kFrameHeaderBytes + kFrameBytesMost) return false;
    const size_t taken = std::min(bytes.size(), wanted - std::min(wanted, partial_.size()));
    partial_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (partial_.size() < kFrameHeaderBytes) continue;
    const FrameHeader frame = ReadFrameHeader(partial_.data());
    if (partial_.size() < kFrameHeaderBytes + frame.length) {
      if (frame.length > kFrameBytesMost) return false;
      continue;
    }
    std::string whole;
    whole.swap(partial_);
    if (!OnFrame(frame, std::string_view(whole).substr(kFrameHeaderBytes))) return false;
  }
  while (bytes.size() >= kFrameHeaderBytes) {
    const FrameHeader frame = ReadFrameHeader(bytes.data());
    if (frame.length > kFrameBytesMost) return false;
    if (bytes.size() < kFrameHeaderBytes + frame.length) break;
    if (!OnFrame(frame, bytes.substr(kFrameHeaderBytes, frame.length))) return false;
    bytes.remove_prefix(kFrameHeaderBytes + frame.length);
  }
  partial_.append(bytes);
  return !is_going_away_ || calls_under_way() > 0 || !out_.empty();
}

bool ClientSession::OnFrame(const FrameHeader& frame, std::string_view payload) {
  // Nothing comes between a head and its continuation.
  if (!block_.empty() && frame.type != FrameType::kContinuation) return false;
  switch (frame.type) {
    case FrameType::kData:
      return OnData(frame, payload);
    case FrameType::kHeaders:
    case FrameType::kContinuation:
      return OnHeaders(frame, payload);
    case FrameType::kReset: {
      Call* call = streams_.Find(frame.stream);
      if (payload.size() != 4) return false;
      if (call != nullptr) Finish(call, Big32(payload.data()));
      return true;
    }
    case FrameType::kSettings:
      return OnSettings(frame, payload);
    case FrameType::kPing:
      if (payload.size() != 8) return false;
      if (frame.Has(kAck)) return true;
      AppendFrameHeader({8, FrameType::kPing, kAck, 0}, &out_);
      out_.append(payload);
      return true;
    case FrameType::kGoaway:
      if (payload.size() < 8) return false;
      OnGoaway(payload);
      return true;
    case FrameType::kWindowUpdate:
      return OnWindowUpdate(frame, payload);
    case FrameType::kPushPromise:
      return false;
    default:
      return true;
  }
}

bool ClientSession::OnData(const FrameHeader& frame, std::string_view payload) {
  owed_ += frame.length;
  if (owed_ >= kConnectionWindowBytes / 2) {
    AppendNumberFrame(FrameType::kWindowUpdate, 0, std::exchange(owed_, 0), &out_);
  }
  if (!Unpad(frame, &payload)) return false;
  Call* call = streams_.Find(frame.stream);
  if (call == nullptr) return true;
  const bool is_end = frame.Has(kEndStream);
  if (!is_end) GiveBack(call, frame.length);
  OnMessages(call, payload);
  if (is_end) EndByServer(call);
  return true;
}

void ClientSession::GiveBack(Call* call, uint32_t bytes) {
  call->owed += bytes;
  if (call->owed < kStreamWindowBytes / 2) return;
  AppendNumberFrame(FrameType::kWindowUpdate, call->stream, std::exchange(call->owed, 0), &out_);
}

void ClientSession::OnMessages(Call* call, std::string_view bytes) {
  if (!call->partial.empty()) {
    call->partial.append(bytes);
    bytes = call->partial;
  }
  size_t taken = 0;
  while (bytes.size() - taken >= kPrefix) {
    const size_t size = Big32(bytes.data() + taken + 1);
    if (bytes.size() - taken - kPrefix < size) break;
    handler_->OnMessage(call, bytes.substr(taken + kPrefix, size));
    taken += kPrefix + size;
  }
  if (call->partial.empty()) {
    if (taken < bytes.size()) call->partial.assign(bytes.substr(taken));
  } else {
    call->partial.erase(0, taken);
  }
}

bool ClientSession::OnHeaders(const FrameHeader& frame, std::string_view payload) {
  if (frame.type == FrameType::kContinuation) {
    if (block_.empty() || frame.stream != block_frame_.stream) return false;
    if (block_.size() + payload.size() > kHeadBytesMost) return false;
    block_.append(payload);
    if (!frame.Has(kEndHeaders)) return true;
    std::string block;
    block.swap(block_);
    return OnHead(block_frame_, block);
  }
  if (!Unpad(frame, &payload)) return false;
  if (frame.Has(kPriority)) {
    if (payload.size() < 5) return false;
    payload.remove_prefix(5);
  }
  if (frame.Has(kEndHeaders)) return OnHead(frame, payload);
  if (payload.empty()) return false;
  block_frame_ = frame;
  block_.assign(payload);
  return true;
}

bool ClientSession::OnHead(const FrameHeader& frame, std::string_view block) {
  Call* call = streams_.Find(frame.stream);
  // Of a call that is no more it is decoded as well, for what it does to the table.
  int status = -1;
  std::string text;
  if (call == nullptr) return answers_.Read(block, &status, &text);
  if (!answers_.Read(block, &call->status, &call->error_text)) return false;
  if (frame.Has(kEndStream)) EndByServer(call);
  return true;
}

void ClientSession::EndByServer(Call* call) {
  // What is left of the request is of no more use to anybody.
  if (!call->is_sent) AppendNumberFrame(FrameType::kReset, call->stream, kCancel, &out_);
  Finish(call, 0);
}

bool ClientSession::OnSettings(const FrameHeader& frame, std::string_view payload) {
  if (frame.stream != 0 || payload.size() % kSettingBytes != 0) return false;
  if (frame.Has(kAck)) return payload.empty();
  for (size_t at = 0; at < payload.size(); at += kSettingBytes) {
    const char* entry = payload.data() + at;
    const uint32_t id = Big32(entry) >> 16;
    if (!OnSetting(id, Big32(entry + 2))) return false;
  }
  AppendFrameHeader({0, FrameType::kSettings, kAck, 0}, &out_);
  SendBlocked();
  StartWaiting();
  return true;
}

bool ClientSession::OnSetting(uint32_t id, uint32_t value) {
  switch (id) {
    case kHeaderTableSize:
      heads_.Limit(value);
      return true;
    case kConcurrentStreams:
      streams_most_ = value;
      return true;
    case kInitialWindow: {
      if (value > kWindowMost) return false;
      const int64_t change = value - stream_window_;
      stream_window_ = value;
      streams_.Each([change](Call* call) { call->window += change; });
      return true;
    }
    case kFrameSize:
      if (value < kFrameBytesMost || value > 0xffffff) return false;
      frame_bytes_most_ = value;
      return true;
    default:
      return true;
  }
}

bool ClientSession::OnWindowUpdate(const FrameHeader& frame, std::string_view payload) {
  if (payload.size() != 4) return false;
  const int64_t more = Big32(payload.data()) & 0x7fffffff;
  if (frame.stream == 0) {
    window_ += more;
    if (more == 0 || window_ > kWindowMost) return false;
  } else if (Call* call = streams_.Find(frame.stream); call != nullptr) {
    call->window += more;
    if (call->window > kWindowMost) return false;
  }
  if (!blocked_.empty()) SendBlocked();
  return true;
}

void ClientSession::OnGoaway(std::string_view payload) {
  is_going_away_ = true;
  const auto last = static_cast<int32_t>(Big32(payload.data()) & 0x7fffffff);
  std::deque<Call*> waiting;
  waiting.swap(waiting_);
  for (Call* call : waiting) Finish(call, kRefused);
  streams_.Each([this, last](Call* call) {
    if (call->stream > last) Finish(call, kRefused);
  });
}

}  // namespace metastore::load
