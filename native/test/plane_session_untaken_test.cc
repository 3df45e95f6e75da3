// Answers that clients do not take: the budget that sessions share, who waits for it, who does not,
// and who is cut off.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kRange[] = "/etcdserverpb.KV/Range";
constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kBudget = 8 * kMiB;

/// Bytes of an answer's body.
size_t BytesOf(const std::vector<Frame>& frames, uint32_t stream) {
  size_t bytes = 0;
  for (const Frame& frame : Of(frames, NGHTTP2_DATA, stream)) bytes += frame.payload.size();
  return bytes;
}

/// A session whose calls answer with as many bytes as they are asked for, postponed where the
/// session says so.
class Untaken {
 public:
  SessionHarness h;

  Untaken() {
    h.options.unsent_bytes_most = kBudget;
    h.owner.on_message = [this](CallRecord* call, const std::string& message) {
      (void)message;
      Answer(call);
    };
    h.owner.on_again = [this](CallRecord* call) { Answer(call); };
    h.Start();
  }

  std::vector<Frame> Ask(uint64_t bytes) {
    id_ += 2;
    return h.Send(h.client.Unary(id_, kRange, std::to_string(bytes)));
  }
  /// The client takes so many bytes of the stream.
  std::vector<Frame> Open(uint32_t stream, uint32_t bytes) {
    return h.Send(FrameClient::WindowUpdate(0, bytes) + FrameClient::WindowUpdate(stream, bytes));
  }
  uint32_t last() const { return id_; }
  const CallRecord& call(size_t i) const { return *h.owner.calls[i]; }
  /// What others hold of the budget.
  void Others(int64_t bytes) {
    h.unsent += static_cast<uint64_t>(bytes - others_);
    others_ = bytes;
  }
  ~Untaken() { Others(0); }

  // How often a call had its answer ready.
  int made = 0;

 private:
  void Answer(CallRecord* call) {
    ++made;
    const uint64_t bytes = std::stoull(call->messages.at(0));
    if (!call->wire->Postpone(bytes, call->messages.at(0).size())) {
      call->wire->Reply(std::string(bytes, 'x'));
    }
  }

  uint32_t id_ = static_cast<uint32_t>(-1);
  int64_t others_ = 0;
};

TEST(PlaneSessionUntaken, WhatWaitsForTheClientIsCountedForAll) {
  Untaken u;
  u.Ask(1 * kMiB);
  EXPECT_NEAR(static_cast<double>(u.h.unsent.load()), kMiB - 65535.0, 8192);
  EXPECT_EQ(u.h.owner.holding, 1);
  EXPECT_TRUE(u.h.session->IsHolding());
  for (int i = 0; i < 20; ++i) u.Open(1, 65535);
  EXPECT_LT(u.h.unsent.load(), 8192u);
  EXPECT_FALSE(u.h.session->IsHolding());
  EXPECT_EQ(u.h.owner.calls.size(), 1u);
}

TEST(PlaneSessionUntaken, AClientThatTakesNothingIsServedOnlyUpToHalfTheBudget) {
  Untaken u;
  for (int i = 0; i < 40; ++i) u.Ask(1 * kMiB);
  EXPECT_LE(u.h.unsent.load(), kBudget / 2 + kMiB);
  EXPECT_GE(u.h.unsent.load(), kBudget / 2 - kMiB);
  EXPECT_GT(u.h.owner.parked, 0);
  EXPECT_LE(u.made, 6) << "further ones are not even asked";
  u.h.session->Resume();
  EXPECT_LE(u.made, 6) << "nor later, while it takes nothing";

  // It takes all: every call has its answer, each asked for when there was room.
  std::string taken;
  for (int round = 0; round < 2000 && u.h.session->open_streams() > 0; ++round) {
    std::string windows = FrameClient::WindowUpdate(0, 1 << 20);
    for (uint32_t id = 1; id <= u.last(); id += 2) {
      if (!u.h.owner.calls[id / 2]->is_closed) windows += FrameClient::WindowUpdate(id, 1 << 20);
    }
    u.h.Send(windows);
    u.h.session->Resume();
    u.h.Take();
    ASSERT_LE(u.h.unsent.load(), kBudget);
  }
  EXPECT_EQ(u.h.session->open_streams(), 0u);
  for (const auto& call : u.h.owner.calls) {
    EXPECT_EQ(call->messages.size(), 1u);
    EXPECT_EQ(call->ends, 0);
  }
}

TEST(PlaneSessionUntaken, OneThatReadsIsServedWhateverOthersHold) {
  Untaken u;
  u.Others(kBudget / 2 + kMiB);
  EXPECT_EQ(BytesOf(u.Ask(100 << 10), 1), 65535u) << "large, and there is room";
  u.Open(1, 1 << 20);
  u.Others(2 * kBudget);
  EXPECT_EQ(BytesOf(u.Ask(10 << 10), 3), (10u << 10) + 5) << "small ones always";
  u.Ask(1 * kMiB);
  EXPECT_EQ(u.h.session->open_streams(), 1u);
  EXPECT_EQ(u.h.owner.parked, 1) << "nothing shows that it would take so much";
  // Once it has shown that, it need not wait.
  u.Others(0);
  u.h.session->Resume();
  u.h.Take();
  u.Open(5, 2 << 20);
  EXPECT_EQ(u.h.session->open_streams(), 0u);
  u.Others(2 * kBudget);
  u.Ask(2 * kMiB);
  EXPECT_GT(u.h.unsent.load(), 2 * kBudget + kMiB);
  u.Open(7, 4 << 20);
  EXPECT_EQ(u.h.session->open_streams(), 0u);
}

TEST(PlaneSessionUntaken, AnAnswerLargerThanTheBudgetIsGivenWhileThereIsRoom) {
  Untaken u;
  u.Ask(4 * kBudget);
  EXPECT_GT(u.h.unsent.load(), 3 * kBudget);
  EXPECT_EQ(u.h.owner.parked, 0);
}

TEST(PlaneSessionUntaken, WhatWaitsIsAskedAgainOneByOneAsThereIsRoom) {
  Untaken u;
  u.Others(2 * kBudget);
  for (int i = 0; i < 3; ++i) u.Ask(1 * kMiB);
  EXPECT_EQ(u.made, 3);
  EXPECT_EQ(u.h.owner.parked, 1) << "told once";
  u.h.session->Resume();
  EXPECT_EQ(u.made, 3);
  EXPECT_EQ(u.h.owner.parked, 2) << "and again";
  u.Others(kBudget - kMiB - kMiB / 2);
  u.h.session->Resume();
  EXPECT_EQ(u.made, 4);
  EXPECT_EQ(u.call(0).agains, 1) << "the first one";
  EXPECT_EQ(u.call(1).agains, 0);
}

TEST(PlaneSessionUntaken, ACallThatWaitsMayEnd) {
  Untaken u;
  u.Others(2 * kBudget);
  u.Ask(1 * kMiB);
  u.Ask(1 * kMiB);
  u.h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
  EXPECT_EQ(u.call(0).ends, 1);
  EXPECT_TRUE(u.call(0).is_destroyed);
  EXPECT_FALSE(u.call(1).is_destroyed);
  u.Others(0);
  u.h.session->Resume();
  EXPECT_EQ(u.call(1).agains, 1);

  Untaken other;
  for (int i = 0; i < 10; ++i) other.Ask(1 * kMiB);
  const size_t last = other.h.owner.calls.size() - 1;
  EXPECT_TRUE(other.call(last).messages.empty()) << "not served yet";
  other.h.Send(FrameClient::Reset(other.last(), NGHTTP2_CANCEL));
  EXPECT_TRUE(other.call(last).is_destroyed);
}

TEST(PlaneSessionUntaken, WhoLeavesAnswersUntouchedIsStalled) {
  Untaken u;
  u.Ask(2 * kMiB);
  u.Ask(1 * kMiB);
  const auto stalled_after = [&](int64_t ns) { return u.h.session->Stalled(u.h.now_ns += ns); };
  EXPECT_EQ(stalled_after(kSecond), 0u);
  EXPECT_EQ(stalled_after(2 * kSecond), 0u);
  EXPECT_GT(stalled_after(2 * kSecond), 2 * kMiB);
  u.Open(1, 1000);
  const uint64_t one = stalled_after(2 * kSecond);
  EXPECT_GT(one, kMiB / 2) << "one of the streams has moved";
  EXPECT_LT(one, 5 * kMiB / 2);
  u.Open(1, 100000);
  u.Open(3, 100000);
  EXPECT_EQ(stalled_after(kSecond), 0u);
  EXPECT_GT(stalled_after(4 * kSecond), 2 * kMiB);
  u.h.session->CutOff();
  const auto frames = u.h.Take();
  ASSERT_EQ(Of(frames, NGHTTP2_GOAWAY).size(), 1u);
  EXPECT_NE(Of(frames, NGHTTP2_GOAWAY)[0].payload.find("answers are not read"), std::string::npos);
  EXPECT_TRUE(u.h.session->Done());
}

}  // namespace
}  // namespace metastore::test
