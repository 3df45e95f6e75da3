// The plane over real sockets: native and foreign calls, fed connections, drain, time and the end.
#include <gtest/gtest.h>

#include "test/support/plane_service.h"

namespace metastore::test {
namespace {

using plane::EventKind;

constexpr int64_t kMs = 1000 * 1000;

TEST(PlaneLoop, AnswersOverTcpAndSocketPairs) {
  PlaneHarness harness;
  harness.Start(2);
  auto first = harness.Connect();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  ASSERT_GT(harness.plane->Adopt(pair[0], "", {}, false), 0);
  close(pair[0]);
  GrpcClient second(pair[1]);
  for (GrpcClient* client : {first.get(), &second}) {
    for (const char* path : {"/test/Echo", "/test/Mail", "/test/Spawn", "/test/Take"}) {
      const Answer answer = client->Ask(path, "hello");
      EXPECT_EQ(answer.grpc_status, 0) << path;
      EXPECT_EQ(answer.Messages(), std::vector<std::string>{"hello"}) << path;
    }
  }
  // Two connections went to two lanes.
  EXPECT_EQ(harness.Count("connections"), 2);
  EXPECT_EQ(harness.Count("calls"), 8);
  EXPECT_EQ(harness.Count("foreignCalls"), 0);
  EXPECT_EQ(harness.counts.services, 2);
  harness.plane->Stop();
  EXPECT_EQ(harness.counts.services, 0);
  EXPECT_EQ(harness.counts.destroyed, 8);
}

TEST(PlaneLoop, FirstBytesComeFirst) {
  PlaneHarness harness;
  harness.Start();
  const auto [client, server] = harness.listener.Connect();
  GrpcClient grpc(client);
  const int32_t stream = grpc.Start("/test/Echo", Framed("early"));
  ASSERT_TRUE(grpc.Write());
  std::string first(10, '\0');
  ASSERT_EQ(recv(server, first.data(), first.size(), MSG_WAITALL), 10);
  ASSERT_GT(harness.plane->Adopt(server, first, {}, false), 0);
  close(server);
  ASSERT_TRUE(grpc.Run([&] { return grpc.answer(stream).is_closed; }));
  EXPECT_EQ(grpc.answer(stream).Messages(), std::vector<std::string>{"early"});
}

TEST(PlaneLoop, AdoptRefusesWhatIsNoDescriptor) {
  PlaneHarness harness;
  harness.Start();
  EXPECT_EQ(harness.plane->Adopt(1 << 20, "", {}, false), -EBADF);
  // A regular file cannot be polled: it is opened and closed.
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  EXPECT_GT(harness.plane->Adopt(fileno(file), "", {}, false), 0);
  EXPECT_EQ(harness.Next().kind, EventKind::kClosed);
  fclose(file);
  EXPECT_TRUE(PlaneHarness::Eventually([&] { return harness.plane->open_connections() == 0; }));
  harness.plane->Stop();
  EXPECT_EQ(harness.plane->Adopt(0, "", {}, false), -ECANCELED);
}

TEST(PlaneLoop, AForeignUnaryCallIsOneEvent) {
  PlaneHarness harness;
  harness.Start();
  auto client = harness.Connect();
  const int32_t stream =
      client->Start("/pkg.Service/Method", Framed("question"), true, {{"token", "abc"}});
  client->Run([] { return false; }, 50);
  Event event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kCall);
  const uint64_t call = event.Id();
  EXPECT_EQ(event.Id(), static_cast<uint64_t>(harness.number));
  EXPECT_EQ(event.Number(), -1);
  EXPECT_EQ(event.Byte(), 1);
  EXPECT_EQ(event.Text(), "/pkg.Service/Method");
  EXPECT_EQ(event.Pairs(), (Fields{{"token", "abc"}}));
  EXPECT_EQ(event.Rest(), "question");
  EXPECT_FALSE(harness.Poll()) << "nothing follows";
  harness.plane->Reply(call, "answer");
  harness.plane->Reply(call, "again");  // passed by
  ASSERT_TRUE(client->Run([&] { return client->answer(stream).is_closed; }));
  EXPECT_EQ(client->answer(stream).grpc_status, 0);
  EXPECT_EQ(client->answer(stream).Messages(), std::vector<std::string>{"answer"});
  EXPECT_FALSE(harness.Poll()) << "a call that was answered is not told to have ended";
}

TEST(PlaneLoop, AForeignStreamDeliversWhatIsAskedFor) {
  PlaneHarness harness;
  harness.Start();
  auto client = harness.Connect();
  const int32_t stream = client->Start("/pkg.Service/Stream", "", false);
  client->Run([] { return false; }, 30);
  Event event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kCall);
  const uint64_t call = event.Id();
  event.Id();
  event.Number();
  EXPECT_EQ(event.Byte(), 0);
  client->More(stream, Framed("one") + Framed("two") + Framed(""), true);
  client->Run([] { return false; }, 30);
  event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kMessage);
  EXPECT_EQ(event.Id(), call);
  EXPECT_EQ(event.Rest(), "one");
  EXPECT_FALSE(harness.Poll()) << "the second was not asked for";
  harness.plane->Ask(call);
  event = harness.Next();
  event.Id();
  EXPECT_EQ(event.Rest(), "two");
  EXPECT_FALSE(harness.Poll());
  harness.plane->Ask(call);
  event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kMessage);
  event.Id();
  EXPECT_EQ(event.Rest(), "");
  ASSERT_EQ(harness.Next().kind, EventKind::kHalfClose);
  harness.plane->Send(call, "a");
  harness.plane->Send(call, "");
  harness.plane->Send(call, "bc");
  double taken = 0;
  while (taken < 3) {
    event = harness.Next();
    ASSERT_EQ(event.kind, EventKind::kTaken);
    EXPECT_EQ(event.Id(), call);
    taken += event.Number();
  }
  EXPECT_EQ(taken, 3);
  harness.plane->Finish(call, 9, "not today");
  ASSERT_TRUE(client->Run([&] { return client->answer(stream).is_closed; }));
  EXPECT_EQ(client->answer(stream).Messages(), (std::vector<std::string>{"a", "", "bc"}));
  EXPECT_EQ(client->answer(stream).grpc_status, 9);
  EXPECT_EQ(client->answer(stream).grpc_message, "not today");
}

TEST(PlaneLoop, ForeignCallsAreToldOfTheirEnd) {
  PlaneHarness harness;
  harness.Start();
  auto client = harness.Connect();
  const int32_t reset = client->Start("/pkg.Service/Stream", "", false);
  client->Start("/pkg.Service/Stream", "", false);
  client->Start("/pkg.Service/Late", Framed("x"), true, {{"grpc-timeout", "30m"}});
  client->Run([] { return false; }, 10);
  const uint64_t first = harness.Next().Id();
  const uint64_t second = harness.Next().Id();
  Event late = harness.Next();
  const uint64_t third = late.Id();
  late.Id();
  EXPECT_EQ(late.Number(), 30 * kMs);
  client->Reset(reset);
  client->Write();
  Event event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kEnded);
  EXPECT_EQ(event.Id(), first);
  event = harness.Next();  // its deadline, by the lane's timer
  ASSERT_EQ(event.kind, EventKind::kEnded);
  EXPECT_EQ(event.Id(), third);
  client->Vanish();
  event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kEnded);
  EXPECT_EQ(event.Id(), second);
  event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kClosed);
  EXPECT_EQ(event.Id(), static_cast<uint64_t>(harness.number));
  harness.plane->Reply(second, "nobody");
  harness.plane->Ask(third);
  EXPECT_EQ(harness.plane->open_connections(), 0u);
}

TEST(PlaneLoop, OtherRequestsOnASharedConnection) {
  PlaneHarness harness;
  harness.Start();
  auto client = harness.Connect(true);
  const Fields fields = {{":method", "POST"},
                         {":scheme", "http"},
                         {":path", "/v3/kv/range"},
                         {":authority", "localhost"},
                         {"content-type", "application/json"}};
  const int32_t stream = client->Begin(fields, "{}", true);
  client->Run([] { return false; }, 30);
  Event event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kHttp);
  const uint64_t call = event.Id();
  EXPECT_EQ(event.Id(), static_cast<uint64_t>(harness.number));
  EXPECT_EQ(event.Text(), "POST");
  EXPECT_EQ(event.Text(), "/v3/kv/range");
  EXPECT_EQ(event.Text(), "localhost");
  EXPECT_EQ(event.Pairs().at(0).second, "application/json");
  event = harness.Next();
  ASSERT_EQ(event.kind, EventKind::kMessage);
  event.Id();
  EXPECT_EQ(event.Rest(), "{}");
  ASSERT_EQ(harness.Next().kind, EventKind::kHalfClose);
  harness.plane->Reply(call, "not a gRPC call");  // passed by
  harness.plane->HttpRespond(call, 201, {{"x-header", "1"}});
  harness.plane->HttpSend(call, "body");
  harness.plane->HttpEnd(call);
  ASSERT_TRUE(client->Run([&] { return client->answer(stream).is_closed; }));
  EXPECT_EQ(client->answer(stream).http_status, 201);
  EXPECT_EQ(client->answer(stream).body, "body");
  // One that is broken off, and one that ends before it began.
  for (const bool responds : {true, false}) {
    const int32_t broken = client->Begin(fields, "{}", true);
    client->Run([] { return false; }, 30);
    for (event = harness.Next(); event.kind != EventKind::kHttp;) event = harness.Next();
    const uint64_t id = event.Id();
    if (responds) {
      harness.plane->HttpRespond(id, 200, {});
      harness.plane->HttpReset(id);
    } else {
      harness.plane->HttpSend(id, "too early");
      harness.plane->HttpEnd(id);
    }
    ASSERT_TRUE(client->Run([&] { return client->answer(broken).is_closed; }));
    EXPECT_NE(client->answer(broken).error, 0u);
  }
}

TEST(PlaneLoop, AFedConnectionWaitsForItsOutputToBeTaken) {
  PlaneHarness harness;
  harness.Start();
  const int64_t number = harness.plane->Attach({}, false);
  ASSERT_GT(number, 0);
  FrameClient client;
  // Windows that allow more than the plane may have under way.
  std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                      FrameClient::Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20}});
  std::string more;
  AppendBig(16 << 20, 4, &more);
  hello += MakeFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, more);
  hello += client.Headers(1, FrameClient::Grpc("/test/Large"));
  hello += MakeFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, Framed("3000000"));
  for (size_t at = 0; at < hello.size(); at += 7) {
    harness.plane->Feed(static_cast<uint64_t>(number), hello.substr(at, 7));
  }
  size_t received = 0;
  size_t untaken = 0;
  size_t most = 0;
  while (received < 3000000) {
    if (!harness.Poll() && untaken > 0 &&
        !PlaneHarness::Eventually([&] { return harness.Poll(); }, 50)) {
      most = std::max(most, untaken);
      harness.plane->OutputTaken(static_cast<uint64_t>(number), std::exchange(untaken, 0));
      continue;
    }
    Event event = harness.Next();
    ASSERT_EQ(event.kind, EventKind::kOutput);
    EXPECT_EQ(event.Id(), static_cast<uint64_t>(number));
    received += event.Rest().size();
    untaken += event.Rest().size();
  }
  EXPECT_GE(most, 900u << 10);
  EXPECT_LE(most, (1u << 20) + (128u << 10)) << "more was made than may be under way";
  harness.plane->Ended(static_cast<uint64_t>(number));
  harness.plane->Ended(static_cast<uint64_t>(number));
  EXPECT_EQ(harness.Next().kind, EventKind::kClosed);
  EXPECT_FALSE(harness.Poll());
}

TEST(PlaneLoop, DrainLetsCallsEnd) {
  PlaneHarness harness;
  harness.Start(2);
  auto idle = harness.Connect();
  auto busy = harness.Connect();
  ASSERT_EQ(idle->Ask("/test/Echo", "x").grpc_status, 0);
  const int32_t stream = busy->Start("/pkg.Service/Slow", Framed("x"));
  busy->Run([] { return false; }, 30);
  const uint64_t call = harness.Next().Id();
  harness.plane->DrainConnections();
  ASSERT_TRUE(idle->Run([&] { return idle->is_lost(); })) << "an idle connection is closed";
  EXPECT_TRUE(idle->is_sent_away());
  idle.reset();
  ASSERT_TRUE(busy->Run([&] { return busy->is_sent_away(); }));
  EXPECT_FALSE(busy->is_lost());
  harness.plane->Reply(call, "done");
  ASSERT_TRUE(busy->Run([&] { return busy->is_lost(); }));
  EXPECT_EQ(busy->answer(stream).Messages(), std::vector<std::string>{"done"});
  busy.reset();
  EXPECT_TRUE(PlaneHarness::Eventually([&] { return harness.plane->open_connections() == 0; }));
  // One that was on its way then is sent away as well.
  auto late = harness.Connect();
  ASSERT_TRUE(late->Run([&] { return late->is_lost(); }));
  EXPECT_TRUE(late->is_sent_away());
  // And one that neither reads nor closes does not hold the end up.
  auto silent = harness.Connect();
  const auto begun = std::chrono::steady_clock::now();
  silent->Write();
  late.reset();
  EXPECT_TRUE(PlaneHarness::Eventually([&] { return harness.plane->open_connections() == 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(800));
}

TEST(PlaneLoop, AnErrorOfTheProtocolEndsTheConnectionInOrder) {
  PlaneHarness harness;
  harness.Start();
  auto client = harness.Connect();
  ASSERT_EQ(client->Ask("/test/Echo", "x").grpc_status, 0);
  const std::string bad = MakeFrame(NGHTTP2_PING, 0, 0, "short");
  ASSERT_EQ(send(client->descriptor(), bad.data(), bad.size(), 0),
            static_cast<ssize_t>(bad.size()));
  ASSERT_TRUE(client->Run([&] { return client->is_lost(); }));
  EXPECT_TRUE(client->is_sent_away()) << "GOAWAY comes before the end";
  // It lingers until the client has read that, and goes with it.
  client.reset();
  EXPECT_TRUE(
      PlaneHarness::Eventually([&] { return harness.plane->open_connections() == 0; }, 500));
}

TEST(PlaneLoop, AClientThatDoesNotAnswerPingsIsLost) {
  PlaneHarness harness;
  harness.options.session.keepalive_interval_ns = 50 * kMs;
  harness.options.session.keepalive_timeout_ns = 50 * kMs;
  harness.Start();
  auto alive = harness.Connect();
  auto dead = harness.Connect();
  ASSERT_EQ(dead->Ask("/test/Echo", "x").grpc_status, 0);
  EXPECT_TRUE(alive->Run([&] { return harness.plane->open_connections() == 1; }));
  EXPECT_FALSE(alive->Run([&] { return alive->is_lost(); }, 400)) << "answers the pings";
  EXPECT_EQ(alive->Ask("/test/Echo", "x").grpc_status, 0);
}

}  // namespace
}  // namespace metastore::test
