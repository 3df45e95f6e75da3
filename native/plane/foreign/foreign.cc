// Streams and commands of foreign.h.
#include "plane/foreign/foreign.h"

#include <utility>

namespace metastore::plane {

/// What calls and other requests have in common. TypeScript knows of it from Tell on, until either
/// side ends it.
class ForeignCalls::Stream : public Call {
 public:
  Stream(ForeignCalls* owner, CallId id) : owner_(owner), id_(id) { owner_->streams_[id] = this; }
  ~Stream() override { Leave(); }

  virtual bool is_http() const = 0;

  void OnMessage(std::string message) override {
    inbox_.Add(std::move(message));
    Deliver();
  }

  void OnHalfClose() override {
    half_closed_ = true;
    Deliver();
  }

  void OnWritten(uint64_t bytes) override { Count(bytes); }

  void OnEnd() override {
    if (told_ && !over_) events()->Ended(id_);
    Leave();
  }

  void Ask() {
    const uint64_t bytes = inbox_.Ask();
    if (bytes > 0) Accept(bytes);
    Deliver();
  }

  /// Ended from here: nothing more is told of it.
  void Leave() {
    if (over_) return;
    over_ = true;
    owner_->streams_.erase(id_);
  }

 protected:
  virtual void Accept(uint64_t bytes) = 0;

  /// What may be told now, in the client's order.
  void Deliver() {
    if (!told_ || over_) return;
    while (inbox_.CanTake()) events()->Message(id_, inbox_.Take());
    if (!half_closed_ || !inbox_.empty() || told_half_close_) return;
    told_half_close_ = true;
    events()->HalfClose(id_);
  }

  void Sent(uint64_t bytes) {
    outbox_.Add(bytes);
    Count(0);  // an empty message leaves with what is before it
  }

  void Count(uint64_t bytes) {
    const uint64_t messages = outbox_.Written(bytes);
    if (messages > 0 && !over_) events()->Taken(id_, messages);
  }

  EventBatch* events() { return owner_->events_; }

  ForeignCalls* const owner_;
  const CallId id_;
  Inbox inbox_;
  Outbox outbox_;
  bool half_closed_ = false;
  bool told_half_close_ = false;
  bool told_ = false;
  bool over_ = false;
};

class ForeignCalls::GrpcStream final : public Stream {
 public:
  GrpcStream(ForeignCalls* owner, CallId id, Wire* wire) : Stream(owner, id), wire_(wire) {}

  bool is_http() const override { return false; }

  void Tell() {
    if (told_) return;
    if (owner_->queue_->is_full()) return Refuse();
    told_ = true;
    if (half_closed_ && inbox_.size() == 1) {
      const std::string message = inbox_.Take();
      told_half_close_ = true;
      events()->Call(id_, wire_->peer().connection, wire_->head(), &message);
      return;
    }
    events()->Call(id_, wire_->peer().connection, wire_->head(), nullptr);
    Deliver();
  }

  void Reply(std::string_view message) {
    Leave();
    wire_->Reply(message);
  }

  void Send(std::string message) {
    const size_t bytes = message.size();
    wire_->Send(std::move(message));
    Sent(bytes);
  }

  void Finish(int grpc_status, std::string_view text) {
    Leave();
    wire_->Finish(grpc_status, text);
  }

 private:
  void Accept(uint64_t bytes) override { wire_->Accept(bytes); }

  /// More calls come than TypeScript can take: memory stays bounded, and the client hears of it.
  void Refuse() {
    Leave();
    wire_->Finish(Code::kTooManyRequests);
  }

  Wire* const wire_;
};

class ForeignCalls::HttpStream final : public Stream {
 public:
  HttpStream(ForeignCalls* owner, CallId id, HttpWire* wire) : Stream(owner, id), wire_(wire) {
    told_ = true;
    events()->Http(id_, wire_->peer().connection, wire_->head());
  }

  bool is_http() const override { return true; }

  /// Once; then the body.
  void Respond(int status, const HeaderPairs& headers) {
    if (std::exchange(responded_, true)) return;
    wire_->Respond(status, headers);
  }

  void Send(std::string bytes) {
    if (!responded_) return;
    const size_t size = bytes.size();
    wire_->Send(std::move(bytes));
    Sent(size);
  }

  void Finish() {
    if (!responded_) return Reset();
    Leave();
    wire_->Finish();
  }

  void Reset() {
    Leave();
    wire_->Reset();
  }

 private:
  void Accept(uint64_t bytes) override { wire_->Accept(bytes); }

  HttpWire* const wire_;
  bool responded_ = false;
};

std::unique_ptr<Call> ForeignCalls::Make(CallId id, Wire* wire) {
  count_->Add();
  fresh_.push_back(id);
  return std::make_unique<GrpcStream>(this, id, wire);
}

std::unique_ptr<Call> ForeignCalls::MakeHttp(CallId id, HttpWire* wire) {
  count_->Add();
  return std::make_unique<HttpStream>(this, id, wire);
}

void ForeignCalls::OnTurnEnd() {
  for (const CallId call : fresh_) {
    GrpcStream* stream = FindGrpc(call);
    if (stream != nullptr) stream->Tell();
  }
  fresh_.clear();
}

ForeignCalls::Stream* ForeignCalls::Find(CallId call) {
  const auto found = streams_.find(call);
  if (found == streams_.end()) return nullptr;
  calls_->Find(call);
  return found->second;
}

ForeignCalls::GrpcStream* ForeignCalls::FindGrpc(CallId call) {
  Stream* stream = Find(call);
  if (stream == nullptr || stream->is_http()) return nullptr;
  return static_cast<GrpcStream*>(stream);
}

ForeignCalls::HttpStream* ForeignCalls::FindHttp(CallId call) {
  Stream* stream = Find(call);
  if (stream == nullptr || !stream->is_http()) return nullptr;
  return static_cast<HttpStream*>(stream);
}

void ForeignCalls::Reply(CallId call, std::string_view message) {
  GrpcStream* stream = FindGrpc(call);
  if (stream != nullptr) stream->Reply(message);
}

void ForeignCalls::Send(CallId call, std::string message) {
  GrpcStream* stream = FindGrpc(call);
  if (stream != nullptr) stream->Send(std::move(message));
}

void ForeignCalls::Finish(CallId call, int grpc_status, std::string_view text) {
  GrpcStream* stream = FindGrpc(call);
  if (stream != nullptr) stream->Finish(grpc_status, text);
}

void ForeignCalls::Ask(CallId call) {
  Stream* stream = Find(call);
  if (stream != nullptr) stream->Ask();
}

void ForeignCalls::HttpRespond(CallId call, int status, const HeaderPairs& headers) {
  HttpStream* stream = FindHttp(call);
  if (stream != nullptr) stream->Respond(status, headers);
}

void ForeignCalls::HttpSend(CallId call, std::string bytes) {
  HttpStream* stream = FindHttp(call);
  if (stream != nullptr) stream->Send(std::move(bytes));
}

void ForeignCalls::HttpEnd(CallId call) {
  HttpStream* stream = FindHttp(call);
  if (stream != nullptr) stream->Finish();
}

void ForeignCalls::HttpReset(CallId call) {
  HttpStream* stream = FindHttp(call);
  if (stream != nullptr) stream->Reset();
}

}  // namespace metastore::plane
