// ClientSession against nghttp2's server: what it sends is HTTP/2, and it takes what HTTP/2 allows.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "wire/client_session.h"
#include "work/keys.h"

namespace metastore::load {
namespace {

std::string Framed(const std::string& message) {
  std::string framed;
  AppendPrefix(message.size(), &framed);
  return framed + message;
}

/// Answers each request with its own body, as many times as asked for.
class EchoServer {
 public:
  struct Request {
    std::string path;
    std::string token;
    std::string body;
    bool is_whole = false;
    std::string answer;
    size_t answered = 0;
    std::string status = "0";
    std::string text;
    bool has_trailers = false;
  };

  explicit EchoServer(std::vector<nghttp2_settings_entry> settings = {}) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
           const uint8_t* value, size_t value_length, uint8_t, void* user) {
          Request& request = Self(user)->requests[frame->hd.stream_id];
          const std::string key(reinterpret_cast<const char*>(name), name_length);
          const std::string text(reinterpret_cast<const char*>(value), value_length);
          if (key == ":path") request.path = text;
          if (key == "token") request.token = text;
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t stream, const uint8_t* bytes,
                      size_t length, void* user) {
          Self(user)->requests[stream].body.append(reinterpret_cast<const char*>(bytes), length);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
          if (frame->hd.type == NGHTTP2_RST_STREAM) Self(user)->resets++;
          if (is_end && frame->hd.type == NGHTTP2_DATA) Self(user)->Answer(frame->hd.stream_id);
          return 0;
        });
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, settings.data(), settings.size());
  }
  ~EchoServer() { nghttp2_session_del(session_); }

  void Answer(int32_t stream) {
    Request& request = requests[stream];
    request.is_whole = true;
    order.push_back(stream);
    if (holds) return;
    Reply(stream);
  }

  void Reply(int32_t stream) {
    Request& request = requests[stream];
    for (size_t i = 0; i < times; i++) request.answer += request.body;
    request.status = status;
    request.text = text;
    nghttp2_data_provider body;
    body.source.ptr = &request;
    body.read_callback = [](nghttp2_session* session, int32_t id, uint8_t* buffer, size_t length,
                            uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      auto* from = static_cast<Request*>(source->ptr);
      const size_t size = std::min(length, from->answer.size() - from->answered);
      from->answer.copy(reinterpret_cast<char*>(buffer), size, from->answered);
      from->answered += size;
      if (from->answered < from->answer.size()) return static_cast<ssize_t>(size);
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::vector<nghttp2_nv> trailers = {Field("grpc-status", from->status),
                                                Field("grpc-message", from->text)};
      nghttp2_submit_trailer(session, id, trailers.data(), trailers.size());
      return static_cast<ssize_t>(size);
    };
    const std::vector<nghttp2_nv> head = {Field(":status", "200"),
                                          Field("content-type", "application/grpc")};
    nghttp2_submit_response(session_, stream, head.data(), head.size(), &body);
  }

  /// False when what came is not HTTP/2.
  bool Take(std::string_view bytes) {
    const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
    return nghttp2_session_mem_recv(session_, at, bytes.size()) ==
           static_cast<ssize_t>(bytes.size());
  }
  std::string Give() {
    std::string out;
    const uint8_t* data = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &data)) > 0;) {
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
    return out;
  }
  nghttp2_session* session() { return session_; }

  std::map<int32_t, Request> requests;
  std::vector<int32_t> order;
  size_t times = 1;
  size_t resets = 0;
  std::string status = "0";
  std::string text;
  bool holds = false;

 private:
  static EchoServer* Self(void* user) { return static_cast<EchoServer*>(user); }
  /// Of bytes that outlast the call.
  static nghttp2_nv Field(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }

  nghttp2_session* session_ = nullptr;
};

struct Ended {
  uint64_t key = 0;
  int status = -1;
  uint32_t error = 0;
  std::string text;
  std::vector<std::string> messages;
};

class SessionTest : public ::testing::Test, private CallHandler {
 protected:
  void Open(EchoServer* server, const std::string& token = "") {
    server_ = server;
    session_ =
        std::make_unique<ClientSession>("here:1", token, false, static_cast<CallHandler*>(this));
  }
  Call* Start(uint64_t key, const std::string& message, bool half_close = true) {
    Call* call = session_->NewCall();
    call->key = key;
    call->out = Framed(message);
    call->half_close = half_close;
    messages_[key].clear();
    return session_->Start(call, Method::kRange) ? call : nullptr;
  }
  /// Carries bytes both ways, in pieces of at most `piece`, until nobody has any.
  bool Carry(size_t piece = SIZE_MAX) {
    for (int round = 0; round < 1000; round++) {
      std::string there;
      session_->Produce(&there);
      for (size_t at = 0; at < there.size(); at += std::min(piece, there.size() - at)) {
        if (!server_->Take(std::string_view(there).substr(at, piece))) return false;
      }
      const std::string back = server_->Give();
      for (size_t at = 0; at < back.size(); at += std::min(piece, back.size() - at)) {
        if (!session_->Receive(std::string_view(back).substr(at, piece))) return false;
      }
      if (there.empty() && back.empty()) return true;
    }
    return false;
  }

  EchoServer* server_ = nullptr;
  std::unique_ptr<ClientSession> session_;
  std::map<uint64_t, std::vector<std::string>> messages_;
  std::vector<Ended> ended_;

 private:
  void OnMessage(Call* call, std::string_view message) override {
    messages_[call->key].emplace_back(message);
  }
  void OnEnd(Call* call, uint32_t error) override {
    ended_.push_back({call->key, call->status, error, call->error_text, messages_[call->key]});
  }
};

TEST_F(SessionTest, CallsAreAnsweredInAnyPieces) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{16384}, SIZE_MAX}) {
    EchoServer server;
    Open(&server, "a-token");
    ended_.clear();
    for (uint64_t round = 0; round < 20; round++) {
      for (uint64_t i = 0; i < 30; i++) Start(round * 30 + i, std::to_string(round * 30 + i));
      ASSERT_TRUE(Carry(piece));
    }
    ASSERT_EQ(ended_.size(), 600u);
    for (const Ended& one : ended_) {
      EXPECT_EQ(one.status, 0);
      EXPECT_EQ(one.error, 0u);
      EXPECT_EQ(one.messages, std::vector<std::string>{std::to_string(one.key)});
    }
    for (const auto& [stream, request] : server.requests) {
      EXPECT_EQ(request.path, "/etcdserverpb.KV/Range");
      EXPECT_EQ(request.token, "a-token");
    }
    EXPECT_EQ(session_->calls_under_way(), 0u);
  }
}

TEST_F(SessionTest, HeadsOfAllMethodsAndOfLongTokensAreDecoded) {
  // A token beyond what the table of the server holds is spelled out each time.
  for (const size_t size : {size_t{40}, size_t{3900}, size_t{9000}}) {
    EchoServer server;
    Open(&server, std::string(size, 't'));
    for (int round = 0; round < 3; round++) {
      for (size_t method = 0; method < kMethods; method++) {
        Call* call = session_->NewCall();
        call->out = Framed("x");
        ASSERT_TRUE(session_->Start(call, static_cast<Method>(method)));
      }
    }
    ASSERT_TRUE(Carry());
    ASSERT_EQ(server.requests.size(), 3 * kMethods);
    int32_t stream = 1;
    for (size_t at = 0; at < 3 * kMethods; at++, stream += 2) {
      EXPECT_EQ(server.requests[stream].token.size(), size);
      EXPECT_EQ(server.requests[stream].path, server.requests[1 + 2 * (at % kMethods)].path);
    }
    EXPECT_EQ(server.requests[3].path, "/etcdserverpb.KV/Put");
  }
}

TEST_F(SessionTest, AServerWithoutATableIsObeyed) {
  for (const uint32_t size : {0u, 100u, 65536u}) {
    EchoServer server({{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, size}});
    Open(&server);
    for (uint64_t i = 0; i < 50; i++) {
      Start(i, "x");
      ASSERT_TRUE(Carry());
    }
    ASSERT_EQ(ended_.size(), 50u);
    EXPECT_EQ(server.requests[99].path, "/etcdserverpb.KV/Range");
    ended_.clear();
  }
}

TEST_F(SessionTest, StatusesAreThoseOfTheirCalls) {
  EchoServer server;
  Open(&server);
  const std::vector<std::pair<std::string, std::string>> statuses = {
      {"0", ""},  {"5", "not here"}, {"0", ""},          {"5", "not here"},
      {"14", ""}, {"x", "odd"},      {"5", "elsewhere"}, {"0", ""}};
  for (uint64_t i = 0; i < 40; i++) {
    std::tie(server.status, server.text) = statuses[i % statuses.size()];
    Start(i, "x");
    ASSERT_TRUE(Carry());
    ASSERT_EQ(ended_.size(), i + 1);
    EXPECT_EQ(ended_[i].status, server.status == "x" ? -1 : std::stoi(server.status));
    EXPECT_EQ(ended_[i].text, server.text);
  }
}

TEST_F(SessionTest, WindowsAreKeptBothWays) {
  EchoServer server({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 3000}});
  server.times = 10;
  Open(&server);
  Random random(3);
  std::vector<std::string> sent;
  for (uint64_t i = 0; i < 60; i++) {
    std::string message(random.Below(100000), '\0');
    for (char& c : message) c = static_cast<char>(random.Next());
    sent.push_back(message);
    Start(i, message);
  }
  ASSERT_TRUE(Carry(50000));
  ASSERT_EQ(ended_.size(), 60u);
  for (const Ended& one : ended_) {
    EXPECT_EQ(one.messages, std::vector<std::string>(10, sent[one.key]));
  }
}

TEST_F(SessionTest, MoreCallsThanStreamsWait) {
  EchoServer server({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3}});
  Open(&server);
  ASSERT_TRUE(Carry());
  server.holds = true;
  for (uint64_t i = 0; i < 10; i++) Start(i, "x");
  ASSERT_TRUE(Carry());
  EXPECT_EQ(server.order.size(), 3u);
  EXPECT_EQ(session_->calls_under_way(), 10u);
  server.holds = false;
  for (const int32_t stream : std::vector<int32_t>(server.order)) server.Reply(stream);
  ASSERT_TRUE(Carry());
  EXPECT_EQ(ended_.size(), 10u);
}

TEST_F(SessionTest, LongStreamsStandBesideShortOnes) {
  EchoServer server;
  Open(&server);
  Call* stream = Start(1'000'000, "", false);
  for (uint64_t i = 0; i < 3000; i++) {
    Start(i, "x");
    if (i % 100 == 0) {
      stream->out += Framed("more");
      session_->Resume(stream);
    }
    ASSERT_TRUE(Carry());
  }
  EXPECT_EQ(ended_.size(), 3000u);
  EXPECT_EQ(session_->calls_under_way(), 1u);
  EXPECT_EQ(server.requests[1].body.size(), 5 + 30 * (5 + 4));
  // The server ends it, though the request goes on: the rest is given up.
  server.Reply(1);
  ASSERT_TRUE(Carry());
  ASSERT_EQ(ended_.size(), 3001u);
  EXPECT_EQ(ended_.back().status, 0);
  EXPECT_EQ(server.resets, 1u);
}

TEST_F(SessionTest, ResetsAndGoawayEndTheirCalls) {
  EchoServer server;
  server.holds = true;
  Open(&server);
  for (uint64_t i = 0; i < 4; i++) Start(i, "x");
  ASSERT_TRUE(Carry());
  nghttp2_submit_rst_stream(server.session(), 0, 3, NGHTTP2_REFUSED_STREAM);
  ASSERT_TRUE(Carry());
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].key, 1u);
  EXPECT_EQ(ended_[0].error, static_cast<uint32_t>(NGHTTP2_REFUSED_STREAM));
  nghttp2_submit_goaway(server.session(), 0, 5, NGHTTP2_NO_ERROR, nullptr, 0);
  ASSERT_TRUE(session_->Receive(server.Give()));
  EXPECT_FALSE(session_->IsOpen());
  ASSERT_EQ(ended_.size(), 2u);
  EXPECT_EQ(ended_[1].key, 3u);
  EXPECT_EQ(Start(9, "x"), nullptr);
  session_->Lost();
  ASSERT_EQ(ended_.size(), 4u);
  EXPECT_EQ(ended_.back().error, kConnectError);
}

TEST_F(SessionTest, WhatIsNotHttp2EndsTheConnection) {
  const std::vector<std::string> wrong = {
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      std::string("\0\0\1\1\4\0\0\0\1\xff", 10),       // an index that goes on
      std::string("\0\0\1\1\4\0\0\0\1\xfe", 10),       // an index without an entry
      std::string("\0\0\0\5\4\0\0\0\1", 9),            // a push
      std::string("\0\0\1\0\10\0\0\0\1\7", 10),        // more padding than payload
      std::string("\0\0\4\10\0\0\0\0\0\0\0\0\0", 13),  // no more window
      std::string("\0\0\3\4\0\0\0\0\0abc", 12),        // half a setting
      std::string("\0\0\0\11\4\0\0\0\1", 9),           // a continuation of nothing
  };
  for (const std::string& bytes : wrong) {
    EchoServer server;
    Open(&server);
    Start(0, "x");
    EXPECT_FALSE(session_->Receive(bytes)) << bytes;
  }
}

TEST_F(SessionTest, AnyBytesAreTakenOrRefused) {
  Random random(11);
  for (int round = 0; round < 3000; round++) {
    EchoServer server;
    Open(&server);
    for (uint64_t i = 0; i < 4; i++) Start(i, "x");
    std::string there;
    session_->Produce(&there);
    ASSERT_TRUE(server.Take(there));
    std::string back = server.Give();
    for (uint64_t i = random.Below(6); i > 0; i--) {
      back[random.Below(back.size())] = static_cast<char>(random.Next());
    }
    const size_t piece = 1 + random.Below(back.size());
    bool goes_on = true;
    for (size_t at = 0; at < back.size() && goes_on; at += piece) {
      goes_on = session_->Receive(std::string_view(back).substr(at, piece));
    }
    session_->Lost();
    EXPECT_EQ(session_->calls_under_way(), 0u);
  }
}

}  // namespace
}  // namespace metastore::load
