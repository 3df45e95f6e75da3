// A session with a client that speaks frames and an owner whose calls do as the test says.
#ifndef METASTORE_TEST_SUPPORT_PLANE_HARNESS_H_
#define METASTORE_TEST_SUPPORT_PLANE_HARNESS_H_

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plane/http2/session.h"
#include "test/support/plane_frames.h"

namespace metastore::test {

inline constexpr int64_t kMs = 1000 * 1000;
inline constexpr int64_t kSecond = 1000 * kMs;

/// What became of a call; outlives it.
struct CallRecord {
  plane::CallId id = 0;
  plane::Wire* wire = nullptr;
  plane::HttpWire* http = nullptr;
  std::vector<std::string> messages;
  int half_closes = 0;
  int ends = 0;
  int agains = 0;
  uint64_t written = 0;
  bool is_closed = false;
  bool is_destroyed = false;
};

class HarnessOwner final : public plane::SessionOwner {
 public:
  // What a call does with a message; the default does nothing.
  std::function<void(CallRecord*, const std::string&)> on_message;
  std::function<void(CallRecord*)> on_half_close;
  std::function<void(CallRecord*, uint64_t)> on_written;
  std::function<void(CallRecord*)> on_again;
  // By order of arrival.
  std::vector<std::unique_ptr<CallRecord>> calls;
  int withheld = 0;
  int parked = 0;
  int holding = 0;

  plane::CallId NextCallId() override { return ++last_; }
  std::unique_ptr<plane::Call> MakeCall(plane::CallId id, plane::Wire* wire) override {
    CallRecord* record = Record(id);
    record->wire = wire;
    return std::make_unique<HarnessCall>(this, record);
  }
  std::unique_ptr<plane::Call> MakeHttp(plane::CallId id, plane::HttpWire* wire) override {
    CallRecord* record = Record(id);
    record->http = wire;
    return std::make_unique<HarnessCall>(this, record);
  }
  void Closed(plane::CallId id) override {
    CallRecord* record = by_id_.at(id);
    EXPECT_FALSE(record->is_closed);
    EXPECT_FALSE(record->is_destroyed) << "a call is destroyed before its stream is closed";
    record->is_closed = true;
  }
  void Withheld() override { ++withheld; }
  void Parked() override { ++parked; }
  void Holding() override { ++holding; }

 private:
  class HarnessCall final : public plane::Call {
   public:
    HarnessCall(HarnessOwner* owner, CallRecord* record) : owner_(owner), record_(record) {}
    ~HarnessCall() override { record_->is_destroyed = true; }
    void OnMessage(std::string message) override {
      EXPECT_EQ(record_->half_closes, 0);
      EXPECT_EQ(record_->ends, 0);
      record_->messages.push_back(std::move(message));
      const std::string copy = record_->messages.back();
      if (owner_->on_message) owner_->on_message(record_, copy);
    }
    void OnHalfClose() override {
      ++record_->half_closes;
      EXPECT_EQ(record_->half_closes, 1);
      if (owner_->on_half_close) owner_->on_half_close(record_);
    }
    void OnWritten(uint64_t bytes) override {
      record_->written += bytes;
      if (owner_->on_written) owner_->on_written(record_, bytes);
    }
    void OnAgain() override {
      ++record_->agains;
      if (owner_->on_again) owner_->on_again(record_);
    }
    void OnEnd() override {
      ++record_->ends;
      EXPECT_EQ(record_->ends, 1);
    }

   private:
    HarnessOwner* const owner_;
    CallRecord* const record_;
  };

  CallRecord* Record(plane::CallId id) {
    calls.push_back(std::make_unique<CallRecord>());
    calls.back()->id = id;
    by_id_[id] = calls.back().get();
    return calls.back().get();
  }

  std::map<plane::CallId, CallRecord*> by_id_;
  plane::CallId last_ = 0;
};

/// Set `options` and the owner's functions, then Start().
class SessionHarness {
 public:
  plane::SessionOptions options;
  HarnessOwner owner;
  plane::Peer peer;
  std::atomic<uint64_t> held{0};
  std::atomic<uint64_t> unsent{0};
  FrameClient client;
  std::unique_ptr<plane::Session> session;
  int64_t now_ns = 1000 * kSecond;
  // The answer of the last Receive or OnTime.
  bool is_open = true;

  ~SessionHarness() {
    if (session) session->Lost();
    session.reset();
    EXPECT_EQ(held.load(), 0u) << "a session took part of the budget with it";
    EXPECT_EQ(unsent.load(), 0u) << "a session took part of the budget of answers with it";
    for (const auto& call : owner.calls) {
      EXPECT_TRUE(call->is_closed);
      EXPECT_TRUE(call->is_destroyed);
    }
  }

  /// Made, and the first frames of both sides exchanged; answers the server's.
  std::vector<Frame> Start() {
    Make();
    return Send(FrameClient::Preface());
  }
  void Make() {
    options.held_bytes = &held;
    options.unsent_bytes = &unsent;
    session = plane::Session::Create(options, &owner, &peer, now_ns);
  }
  std::vector<Frame> Send(std::string_view bytes) {
    is_open = session->Receive(bytes, now_ns);
    return Take();
  }
  std::vector<Frame> Take(size_t most = 64 << 10) {
    for (int i = 0; i < 10000 && session->HasOutput(); ++i) {
      const size_t before = output_.size();
      session->Produce(&output_, most, now_ns);
      if (output_.size() == before) break;
    }
    return client.Take(&output_);
  }
  std::vector<Frame> Pass(int64_t ns) {
    now_ns += ns;
    is_open = session->OnTime(now_ns);
    return Take();
  }
  /// Unary calls answer with what `answer` makes of their message.
  void AnswerWith(std::function<std::string(const std::string&)> answer) {
    owner.on_message = [answer](CallRecord* call, const std::string& message) {
      call->wire->Reply(answer(message));
    };
  }

 private:
  std::string output_;
};

/// Frames of one type on one stream.
inline std::vector<Frame> Of(const std::vector<Frame>& frames, uint8_t type,
                             uint32_t stream = UINT32_MAX) {
  std::vector<Frame> found;
  for (const Frame& frame : frames) {
    const bool is_there = stream == UINT32_MAX || frame.stream == stream;
    if (frame.type == type && is_there) found.push_back(frame);
  }
  return found;
}

/// What was sent on a stream, in one line: "200 application/grpc | data 7 | 0 '' end".
inline std::string Story(const std::vector<Frame>& frames, uint32_t stream) {
  std::string story;
  for (const Frame& frame : frames) {
    if (frame.stream != stream) continue;
    if (!story.empty()) story += " | ";
    if (frame.type == NGHTTP2_HEADERS) {
      bool is_first = true;
      for (const auto& [name, value] : frame.fields) {
        if (!is_first) story += ' ';
        is_first = false;
        story += name == "grpc-message" ? "'" + value + "'" : value;
      }
    } else if (frame.type == NGHTTP2_DATA) {
      story += "data " + std::to_string(frame.payload.size());
    } else if (frame.type == NGHTTP2_RST_STREAM) {
      story += "reset " + std::to_string(frame.Number());
    } else if (frame.type == NGHTTP2_WINDOW_UPDATE) {
      story += "window " + std::to_string(frame.Number());
    } else {
      story += "frame " + std::to_string(frame.type);
    }
    if (frame.type <= NGHTTP2_HEADERS && frame.is_end()) story += " end";
  }
  return story;
}

/// The error of the GOAWAY among these; -1 without one.
inline int64_t Goaway(const std::vector<Frame>& frames) {
  const auto found = Of(frames, NGHTTP2_GOAWAY);
  return found.empty() ? -1 : static_cast<int64_t>(found[0].Number(4));
}

}  // namespace metastore::test

#endif  // METASTORE_TEST_SUPPORT_PLANE_HARNESS_H_
