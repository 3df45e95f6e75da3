// Drives a Session by a string of bytes: what a client sends, what calls answer, how time passes.
//
// libFuzzer makes the strings (session_fuzz.cc), and the units run again those that it has kept
// (plane_fuzz_test.cc). Whatever the bytes are, the rules between session and calls must hold, and
// what the session sends must be frames in an order that HTTP/2 allows.
#ifndef METASTORE_TEST_FUZZ_SESSION_DRIVER_H_
#define METASTORE_TEST_FUZZ_SESSION_DRIVER_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "plane/http2/session.h"
#include "test/fuzz/output_checker.h"
#include "test/fuzz/session_calls.h"
#include "test/support/plane_frames.h"

namespace metastore::fuzz {

/// The bytes that are left; zeros when there are none.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return byte;
  }
  uint32_t Number(size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | Byte();
    return value;
  }
  std::string_view Take(size_t bytes) {
    const std::string_view taken = bytes_.substr(0, bytes);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

/// One run. Ends the process when a rule is broken.
class SessionDriver {
 public:
  explicit SessionDriver(std::string_view bytes) : in_(bytes) {}

  void Run() {
    Begin();
    for (size_t step = 0; step < kStepsMax && !in_.empty() && is_open_; ++step) Step(in_.Byte());
    Write(1 << 20);
    session_->Lost();
    session_.reset();
    METASTORE_CHECK(owner_.calls.empty(), "calls outlive their session");
    METASTORE_CHECK(owner_.open == 0, "streams were never closed");
    METASTORE_CHECK(held_.load() == 0, "a session took part of the budget with it");
    METASTORE_CHECK(unsent_.load() == 0, "a session took part of the budget of answers with it");
  }

 private:
  static constexpr size_t kStepsMax = 400;

  void Begin() {
    const uint8_t flags = in_.Byte();
    for (uint8_t& policy : owner_.policies) policy = in_.Byte();
    plane::SessionOptions options;
    options.held_bytes = &held_;
    options.unsent_bytes = &unsent_;
    options.unsent_bytes_most = (flags & 8) != 0 ? 200'000 : 1u << 20;
    options.max_receive_bytes = (flags & 1) != 0 ? 300 : 2u << 20;
    options.max_send_bytes = (flags & 2) != 0 ? 50'000 : 0;
    options.shares_http = (flags & 4) != 0;
    options.held_bytes_most = (flags & 8) != 0 ? 200 : 1u << 20;
    if ((flags & 16) != 0) options.max_concurrent_streams = 3;
    if ((flags & 32) != 0) {
      options.min_ping_ns = 5'000'000'000;
      options.keepalive_interval_ns = 10'000'000'000;
      options.keepalive_timeout_ns = 1'000'000'000;
      options.idle_ns = 30'000'000'000;
    }
    if ((flags & 64) != 0) options.stream_window_bytes = 100'000;
    owner_.message_bytes_max = options.max_receive_bytes;
    session_ = plane::Session::Create(options, &owner_, &peer_, now_ns_);
    if ((flags & 128) == 0) Feed(test::FrameClient::Preface());
  }

  void Step(uint8_t what) {
    switch (what % 16) {
      case 0:
        Feed(in_.Take(in_.Byte()));
        break;
      case 1:
      case 2:
        Headers(what);
        break;
      case 3:
      case 4:
        Feed(test::MakeFrame(NGHTTP2_DATA, what >> 7, Stream(), Message()));
        break;
      case 5:
        Feed(test::MakeFrame(in_.Byte() % 11, in_.Byte(), Stream(), in_.Take(in_.Byte() % 64)));
        break;
      case 6:
        Feed(test::MakeFrame(NGHTTP2_WINDOW_UPDATE, 0, Stream(), in_.Take(4)));
        break;
      case 7:
        Feed(test::MakeFrame(NGHTTP2_RST_STREAM, 0, Stream(), in_.Take(4)));
        break;
      case 8:
        Feed(test::MakeFrame(NGHTTP2_SETTINGS, what >> 7, 0, in_.Take(what >> 7 ? 0 : 6)));
        break;
      case 9:
        Feed(test::MakeFrame(NGHTTP2_PING, what >> 7, 0, "12345678"));
        break;
      case 10:
        Pass(int64_t{1} << (in_.Byte() % 38));
        break;
      case 11:
        Write(in_.Number(2));
        break;
      case 12:
        if (FuzzCall* call = owner_.Pick(what >> 4)) call->Act(in_.Byte(), in_.Take(in_.Byte()));
        break;
      case 13:
        session_->Relax();
        session_->Resume();
        break;
      case 14:
        if (what == 0xee) session_->Drain();
        session_->Stalled(now_ns_);
        break;
      default:
        // Many of one kind: floods have limits of their own.
        Flood(in_.Byte(), in_.Byte());
    }
    if (!holds_output_) Write(64 << 10);
  }

  uint32_t Stream() { return in_.Byte() % 24; }

  /// A gRPC message, right or with a wrong prefix, cut or whole.
  std::string Message() {
    const uint8_t kind = in_.Byte();
    const std::string text(in_.Take(in_.Byte()));
    if (kind < 64) return text;
    std::string framed = test::Framed(text, kind < 128 ? kind % 3 : 0);
    if (kind % 16 == 15) framed.resize(framed.size() / 2);
    if (kind % 16 == 14) framed.append(framed);
    if (kind % 16 == 13) framed.append(20'000, 'x');
    return framed;
  }

  void Headers(uint8_t what) {
    static const char* const kPaths[] = {"/etcdserverpb.KV/Put",
                                         "/etcdserverpb.Watch/Watch",
                                         "/etcdserverpb.KV/RangeStream",
                                         "/nopath",
                                         "/a/b",
                                         "*"};
    static const char* const kTypes[] = {"application/grpc", "application/grpc+proto",
                                         "application/json", ""};
    static const test::Fields kExtra[] = {
        {{"grpc-timeout", "10m"}}, {{"grpc-encoding", "gzip"}},
        {{"x-bin", "!"}},          {{"grpc-timeout", "9x"}},
        {{"token", "t"}},          {{"content-length", "7"}},
    };
    const uint8_t choice = in_.Byte();
    test::Fields fields = {{":method", choice % 16 == 15 ? "GET" : "POST"},
                           {":scheme", "http"},
                           {":path", kPaths[choice % 6]},
                           {":authority", "a"},
                           {"te", "trailers"},
                           {"content-type", kTypes[choice / 64]}};
    if ((what & 16) != 0) {
      const test::Fields& extra = kExtra[in_.Byte() % 6];
      fields.insert(fields.end(), extra.begin(), extra.end());
    }
    std::string block;
    for (const auto& [name, value] : fields) Literal(name, value, &block);
    block.append(in_.Take((what & 32) != 0 ? in_.Byte() % 32 : 0));
    const uint32_t stream = (what & 64) != 0 ? Stream() : std::exchange(next_, next_ + 2);
    const uint8_t flags = NGHTTP2_FLAG_END_HEADERS | (what >> 7);
    Feed(test::MakeFrame(NGHTTP2_HEADERS, flags, stream, block));
  }

  static void Literal(std::string_view name, std::string_view value, std::string* block) {
    block->push_back('\0');
    block->push_back(static_cast<char>(name.size()));
    block->append(name);
    block->push_back(static_cast<char>(value.size()));
    block->append(value);
  }

  void Flood(uint8_t kind, uint8_t count) {
    std::string bytes;
    for (size_t i = 0; i < count * 8u && is_open_; ++i) {
      if (kind % 4 == 0) bytes += test::MakeFrame(NGHTTP2_PING, 0, 0, "12345678");
      if (kind % 4 == 1) bytes += test::MakeFrame(NGHTTP2_SETTINGS, 0, 0, "");
      if (kind % 4 == 2) bytes += test::MakeFrame(NGHTTP2_DATA, 0, kind >> 4, "");
      if (kind % 4 == 3) bytes += test::MakeFrame(NGHTTP2_PRIORITY, 0, 1 + kind, "\0\0\0\0\1");
    }
    Feed(bytes);
    // A client that does not read, until it reads.
    holds_output_ = (kind & 8) != 0;
  }

  void Feed(std::string_view bytes) {
    if (!is_open_) return;
    is_open_ = session_->Receive(bytes, now_ns_);
    if (session_->Done()) is_open_ = false;
  }

  void Pass(int64_t ns) {
    now_ns_ += ns;
    const int64_t next = session_->NextTimeNs();
    if (next <= now_ns_) is_open_ = session_->OnTime(now_ns_);
  }

  void Write(size_t most) {
    for (int i = 0; i < 1000 && session_->HasOutput(); ++i) {
      std::string out;
      session_->Produce(&out, std::max<size_t>(most, 1), now_ns_);
      if (out.empty()) return;
      checker_.Take(out);
    }
  }

  Input in_;
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> unsent_{0};
  plane::Peer peer_;
  FuzzOwner owner_;
  OutputChecker checker_;
  std::unique_ptr<plane::Session> session_;
  int64_t now_ns_ = 1'000'000'000'000;
  uint32_t next_ = 1;
  bool is_open_ = true;
  bool holds_output_ = false;
};

}  // namespace metastore::fuzz

#endif  // METASTORE_TEST_FUZZ_SESSION_DRIVER_H_
