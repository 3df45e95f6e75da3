// The tables of a lane against plain models: timers, call numbers, the mailbox, and what a foreign
// call keeps of its messages.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plane/foreign/messages.h"
#include "plane/loop/tables/call_slots.h"
#include "plane/loop/tables/mailbox.h"
#include "plane/loop/tables/timers.h"

namespace metastore::plane {
namespace {

TEST(PlaneTimers, TheEarliestIsFirstWhateverChanges) {
  std::mt19937 random(7);
  std::vector<Timed> all(200);
  std::map<Timed*, int64_t> model;
  Timers timers;
  for (int i = 0; i < 20000; ++i) {
    Timed* timed = &all[random() % all.size()];
    if (random() % 4 == 0) {
      timers.Remove(timed);
      model.erase(timed);
    } else {
      const int64_t due = random() % 10 == 0 ? Timed::kNever : static_cast<int64_t>(random() % 500);
      timers.Set(timed, due);
      if (due == Timed::kNever) {
        model.erase(timed);
      } else {
        model[timed] = due;
      }
    }
    ASSERT_EQ(timers.size(), model.size());
    if (model.empty()) {
      ASSERT_EQ(timers.First(), nullptr);
      continue;
    }
    const auto first = std::min_element(model.begin(), model.end(), [](auto& left, auto& right) {
      return left.second < right.second;
    });
    ASSERT_EQ(timers.First()->due_ns(), first->second);
  }
}

class NoCall final : public Call {
  void OnMessage(std::string) override {}
  void OnHalfClose() override {}
  void OnEnd() override {}
};

TEST(PlaneCallSlots, NumbersAreNeverUsedAgainAndFindTheirCall) {
  std::mt19937 random(11);
  CallSlots slots(5);
  std::map<CallId, std::unique_ptr<NoCall>> model;
  std::set<CallId> given;
  std::vector<CallId> gone;
  for (int i = 0; i < 60000; ++i) {
    // Grows to some thousands that stay, with many that come and go between them.
    if (model.empty() || random() % 100 < 52) {
      const CallId id = slots.Next();
      ASSERT_TRUE(given.insert(id).second);
      ASSERT_EQ(LaneOf(id), 5u);
      ASSERT_LT(id, uint64_t{1} << 53);
      auto call = std::make_unique<NoCall>();
      slots.Put(id, call.get(), nullptr);
      model.emplace(id, std::move(call));
    } else {
      auto victim = model.lower_bound(random() % (*given.rbegin() + 1));
      if (victim == model.end()) victim = model.begin();
      slots.Remove(victim->first);
      gone.push_back(victim->first);
      model.erase(victim);
    }
    ASSERT_EQ(slots.used(), model.size());
  }
  EXPECT_GT(model.size(), 1500u);
  for (const auto& [id, call] : model) {
    ASSERT_NE(slots.Find(id), nullptr);
    ASSERT_EQ(slots.Find(id)->call, call.get());
  }
  for (const CallId id : gone) {
    ASSERT_EQ(slots.Find(id), nullptr);
    slots.Remove(id);
  }
  EXPECT_EQ(slots.used(), model.size());
  EXPECT_EQ(slots.Find(0), nullptr);
  EXPECT_EQ(slots.Find(5), nullptr);
}

class NoMail final : public Mail {
 public:
  explicit NoMail(int* destroyed) : destroyed_(destroyed) {}
  ~NoMail() override { ++*destroyed_; }
  void Deliver(CallTable*) override {}

 private:
  int* const destroyed_;
};

TEST(PlaneMailbox, WakesASleeperOnce) {
  int destroyed = 0;
  Mailbox mailbox;
  std::vector<std::unique_ptr<Mail>> mail;
  EXPECT_FALSE(mailbox.Put(std::make_unique<NoMail>(&destroyed))) << "its owner is awake";
  EXPECT_FALSE(mailbox.Sleep()) << "something waits";
  EXPECT_TRUE(mailbox.Take(&mail));
  mail.clear();
  EXPECT_FALSE(mailbox.Take(&mail));
  EXPECT_TRUE(mailbox.Sleep());
  EXPECT_TRUE(mailbox.Put(std::make_unique<NoMail>(&destroyed)));
  EXPECT_FALSE(mailbox.Put(std::make_unique<NoMail>(&destroyed))) << "woken already";
  mailbox.Awake();
  EXPECT_FALSE(mailbox.Put(std::make_unique<NoMail>(&destroyed)));
  EXPECT_TRUE(mailbox.Take(&mail));
  EXPECT_EQ(mail.size(), 3u);
  mail.clear();
  EXPECT_EQ(destroyed, 4);
  mailbox.Put(std::make_unique<NoMail>(&destroyed));
  mailbox.Close();
  EXPECT_FALSE(mailbox.Put(std::make_unique<NoMail>(&destroyed)));
  EXPECT_EQ(destroyed, 6) << "what comes after the end is dropped";
}

TEST(PlaneMessages, CreditIsGivenByAsking) {
  Inbox inbox;
  EXPECT_FALSE(inbox.CanTake());
  inbox.Add("one");
  inbox.Add("fifteen letters");
  inbox.Add("");
  ASSERT_TRUE(inbox.CanTake());
  EXPECT_EQ(inbox.Take(), "one");
  EXPECT_FALSE(inbox.CanTake());
  EXPECT_EQ(inbox.Ask(), 3u) << "the window of what was taken";
  EXPECT_EQ(inbox.Take(), "fifteen letters");
  EXPECT_EQ(inbox.Ask(), 15u);
  EXPECT_EQ(inbox.Take(), "");
  EXPECT_EQ(inbox.Ask(), 0u);
  EXPECT_EQ(inbox.Ask(), 0u) << "asked for before it is there";
  inbox.Add("a");
  inbox.Add("b");
  EXPECT_TRUE(inbox.CanTake());
  EXPECT_EQ(inbox.Take(), "a");
  EXPECT_EQ(inbox.Take(), "b");
  EXPECT_FALSE(inbox.CanTake());
}

TEST(PlaneMessages, WrittenBytesCompleteMessagesInOrder) {
  Outbox outbox;
  EXPECT_EQ(outbox.Written(0), 0u);
  outbox.Add(10);
  outbox.Add(0);
  outbox.Add(5);
  EXPECT_EQ(outbox.Written(9), 0u);
  EXPECT_EQ(outbox.Written(1), 2u);
  EXPECT_EQ(outbox.Written(4), 0u);
  outbox.Add(3);
  EXPECT_EQ(outbox.Written(4), 2u);
  outbox.Add(0);
  EXPECT_EQ(outbox.Written(0), 1u);
}

}  // namespace
}  // namespace metastore::plane
