// Calls of a fuzzed session, which do with messages what the bytes of the run say, and check the
// rules that hold between a session and its calls. Used by session_driver.h.
#ifndef METASTORE_TEST_FUZZ_SESSION_CALLS_H_
#define METASTORE_TEST_FUZZ_SESSION_CALLS_H_

#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "plane/http2/session.h"
#include "test/support/plane_frames.h"

namespace metastore::fuzz {

class FuzzOwner;

/// A call that does with messages what its policy says, and checks how it is spoken to.
class FuzzCall final : public plane::Call {
 public:
  FuzzCall(FuzzOwner* owner, plane::CallId id, plane::Wire* wire, plane::HttpWire* http,
           uint8_t policy);
  ~FuzzCall() override;
  void OnMessage(std::string message) override;
  void OnHalfClose() override;
  void OnWritten(uint64_t bytes) override;
  void OnAgain() override { Act(10, {}); }
  void OnEnd() override;
  /// Says something unasked.
  void Act(uint8_t what, std::string_view text);

 private:
  static constexpr int kMoreMost = 64;

  void Say(uint8_t what, std::string_view text);
  void SayHttp(uint8_t what, std::string_view text);

  FuzzOwner* const owner_;
  const plane::CallId id_;
  plane::Wire* const wire_;
  plane::HttpWire* const http_;
  const uint8_t policy_;
  uint64_t unaccepted_ = 0;
  int said_more_ = 0;
  bool is_half_closed_ = false;
  bool is_over_ = false;
  bool is_speaking_ = false;
};

class FuzzOwner final : public plane::SessionOwner {
 public:
  std::array<uint8_t, 4> policies{};
  std::map<plane::CallId, FuzzCall*> calls;
  size_t open = 0;  // made and not yet Closed
  uint64_t message_bytes_max = 0;

  plane::CallId NextCallId() override { return ++last_; }
  std::unique_ptr<plane::Call> MakeCall(plane::CallId id, plane::Wire* wire) override {
    METASTORE_CHECK(wire->head().timeout_ns >= -1, "a head cannot be read");
    return Make(id, wire, nullptr);
  }
  std::unique_ptr<plane::Call> MakeHttp(plane::CallId id, plane::HttpWire* wire) override {
    return Make(id, nullptr, wire);
  }
  void Closed(plane::CallId id) override {
    METASTORE_CHECK(calls.count(id) == 1, "a call is destroyed before its stream is closed");
    METASTORE_CHECK(closed_.emplace(id, true).second, "a call is closed twice");
    --open;
  }
  FuzzCall* Pick(uint8_t which) {
    if (calls.empty()) return nullptr;
    return std::next(calls.begin(), which % calls.size())->second;
  }

 private:
  std::unique_ptr<plane::Call> Make(plane::CallId id, plane::Wire* wire, plane::HttpWire* http) {
    auto call = std::make_unique<FuzzCall>(this, id, wire, http, policies[id % policies.size()]);
    calls[id] = call.get();
    ++open;
    return call;
  }

  std::map<plane::CallId, bool> closed_;
  plane::CallId last_ = 0;
};

inline FuzzCall::FuzzCall(FuzzOwner* owner, plane::CallId id, plane::Wire* wire,
                          plane::HttpWire* http, uint8_t policy)
    : owner_(owner), id_(id), wire_(wire), http_(http), policy_(policy) {}

inline FuzzCall::~FuzzCall() { owner_->calls.erase(id_); }

inline void FuzzCall::OnMessage(std::string message) {
  METASTORE_CHECK(!is_half_closed_ && !is_over_, "a message comes after the end");
  METASTORE_CHECK(http_ != nullptr || message.size() <= owner_->message_bytes_max,
                  "a message is over the limit");
  unaccepted_ += message.size();
  Act(policy_, message);
}

inline void FuzzCall::OnHalfClose() {
  METASTORE_CHECK(!is_half_closed_ && !is_over_, "a call is half-closed twice, or after its end");
  is_half_closed_ = true;
  Act(policy_ >> 4, "bye");
}

inline void FuzzCall::OnWritten(uint64_t bytes) {
  METASTORE_CHECK(bytes > 0, "nothing was written");
  // Not without end: a client may open a window of 2 GiB.
  if (policy_ % 7 == 6 && ++said_more_ <= kMoreMost) Act(policy_ >> 3, "more");
}

inline void FuzzCall::OnEnd() {
  METASTORE_CHECK(!is_over_, "a call ends twice");
  METASTORE_CHECK(!is_speaking_, "a call is told of its end within what it says");
  is_over_ = true;
  // What is said now is dropped.
  Act(policy_ >> 2, "late");
}

inline void FuzzCall::Act(uint8_t what, std::string_view text) {
  if (is_speaking_) return;
  is_speaking_ = true;
  if (wire_ != nullptr) {
    Say(what % 16, text);
  } else {
    SayHttp(what % 16, text);
  }
  is_speaking_ = false;
}

inline void FuzzCall::Say(uint8_t what, std::string_view text) {
  switch (what) {
    case 0:
    case 1:
      wire_->Reply(text);
      break;
    case 2:
    case 3:
      wire_->Send(std::string(text));
      wire_->Accept(std::exchange(unaccepted_, 0));
      break;
    case 4:
      wire_->Finish(0, "");
      break;
    case 5:
      wire_->Finish(13, text);
      break;
    case 6:
      wire_->SendFramed(test::Framed(text) + test::Framed(""));
      break;
    case 7:
      wire_->Accept(std::exchange(unaccepted_, 0));
      break;
    case 8:
      wire_->Send(std::string(100'000, 'x'));
      break;
    case 9:
      wire_->Send("");
      wire_->Finish(14, "");
      break;
    case 10:
      if (!wire_->Postpone(100'000, text.size())) wire_->Reply(std::string(100'000, 'x'));
      break;
    default:
      break;
  }
}

inline void FuzzCall::SayHttp(uint8_t what, std::string_view text) {
  switch (what) {
    case 0:
    case 1:
      http_->Respond(200, {{"content-type", "text/plain"}});
      http_->Send(std::string(text));
      http_->Finish();
      break;
    case 2:
    case 3:
      http_->Accept(std::exchange(unaccepted_, 0));
      break;
    case 4:
      http_->Respond(404, {});
      http_->Finish();
      break;
    case 5:
      http_->Reset();
      break;
    case 6:
      http_->Send(std::string(text));
      break;
    case 7:
      http_->Finish();
      break;
    case 8:
      http_->Respond(200, {});
      http_->Send(std::string(100'000, 'x'));
      break;
    default:
      break;
  }
}

}  // namespace metastore::fuzz

#endif  // METASTORE_TEST_FUZZ_SESSION_CALLS_H_
