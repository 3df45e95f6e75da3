// A single voter over a real MemberCore, as TypeScript's replica loop would drive it: takes what is
// proposed, appends it, applies what is durable, and releases reads at the committed index.
#ifndef METASTORE_TEST_SUPPORT_MEMBER_HARNESS_H_
#define METASTORE_TEST_SUPPORT_MEMBER_HARNESS_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "member/core.h"
#include "test/support/wire_builder.h"

namespace metastore::member_test {

using intake::Method;
using intake::Route;
using member::MemberCore;
using member::MemberOptions;
using member::RecoveredState;
using wire_test::Bytes;
using wire_test::Field;
using wire_test::Number;

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "metastore-member-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// One decoded completion record.
struct Record {
  apply::Kind kind{};
  std::string body;
  uint64_t NumberAt(size_t at) const {
    return static_cast<uint64_t>(std::bit_cast<double>(GetLittle64(body.data() + at)));
  }
  int64_t IdAt(size_t at) const { return static_cast<int64_t>(GetLittle64(body.data() + at)); }
  double SignedAt(size_t at) const { return std::bit_cast<double>(GetLittle64(body.data() + at)); }
};

inline std::vector<Record> ParseRecords(const std::string& bytes) {
  std::vector<Record> records;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = GetLittle32(bytes.data() + at);
    records.push_back({static_cast<apply::Kind>(bytes[at + 4]), bytes.substr(at + 5, length - 1)});
    at += 4 + length;
  }
  return records;
}

struct Outcome {
  Code code = Code::kOk;
  std::string reply;
};

inline std::string PutRequest(const std::string& key, const std::string& value) {
  return Bytes(1, key) + Bytes(2, value);
}

class TinyVoter {
 public:
  explicit TinyVoter(MemberOptions options) : options_(std::move(options)) {
    options_.identity = {0xc1, 0xa1};
  }

  Status Open() {
    auto core = MemberCore::Open(
        options_, [this] { Wake(); }, &recovered);
    if (!core.ok()) return core.TakeStatus();
    core_ = std::move(*core);
    last_ = recovered.last_index;
    term_ = recovered.hard_state.term + 1;
    committed_ = recovered.hard_state.commit;
    core_->SetHeader({recovered.identity.cluster_id, recovered.identity.member_id, term_});
    if (last_ > committed_) committed_ = last_;  // the only voter holds the whole quorum's log
    core_->SetCommitted(committed_);
    if (committed_ > recovered.applied_index) core_->Apply(committed_);
    return Status::Ok();
  }

  MemberCore& core() { return *core_; }
  uint64_t last_index() const { return last_; }
  uint64_t applied() const { return applied_; }
  uint64_t term() const { return term_; }

  /// Submits; the code of a refusal, else kOk.
  Code Submit(uint64_t ticket, Method method, const std::string& request,
              const auth::Caller& caller = {}) {
    auto route = core_->Submit(ticket, method, request, caller);
    return route.ok() ? Code::kOk : route.status().code();
  }
  Outcome Call(Method method, const std::string& request, const auth::Caller& caller = {}) {
    const uint64_t ticket = next_ticket_++;
    const Code code = Submit(ticket, method, request, caller);
    if (code != Code::kOk) return {code, {}};
    return WaitFor(ticket);
  }
  Outcome CallInternal(const std::string& message) {
    const uint64_t ticket = next_ticket_++;
    auto route = core_->SubmitInternal(ticket, message, {});
    if (!route.ok()) return {route.status().code(), {}};
    return WaitFor(ticket);
  }
  Outcome WaitFor(uint64_t ticket) {
    EXPECT_TRUE(DriveUntil([&] { return results.contains(ticket); })) << "ticket " << ticket;
    return results[ticket];
  }
  Outcome Put(const std::string& key, const std::string& value) {
    return Call(Method::kPut, PutRequest(key, value));
  }
  std::string HashKv() { return Call(Method::kHashKv, "").reply; }

  /// Turns until the condition holds; false after 20 seconds or a failure of the core.
  template <typename Condition>
  bool DriveUntil(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      Turn();
      if (condition()) return true;
      if (!fatal.empty()) return false;
      std::unique_lock<std::mutex> lock(mutex_);
      woken_.wait_for(lock, std::chrono::milliseconds(50), [this] { return awake_; });
      awake_ = false;
    }
    return false;
  }

  void Turn() {
    Propose();
    const uint32_t batch = core_->FreezeReads();
    if (batch != 0) core_->ReleaseReads(batch, committed_);
    auto records = ParseRecords(core_->Drain());
    if (ever_granted_) TakeOver(core_->Granted());
    for (Record& record : records) Handle(std::move(record));
  }

  /// From now on the core takes and appends what is submitted; until Revoke.
  void Grant(uint64_t run_operations = 512, uint64_t ahead_entries = 4096) {
    const member::GrantTerms terms{term_,   last_ + 1,     run_operations,
                                   1 << 20, ahead_entries, 64 << 20};
    ASSERT_TRUE(core_->GrantProposals(terms).ok());
    granted = ever_granted_ = true;
  }
  void Revoke() {
    granted = false;
    TakeOver(core_->RevokeGrant());
  }
  void TakeOver(const member::Given& given) {
    if (!given.is_news) return;
    if (!given.runs.empty()) {
      ASSERT_EQ(given.first_index, last_ + 1) << "every entry is told of once";
    }
    uint64_t entries = 0;
    for (const uint32_t run : given.runs) entries += run;
    last_ += entries;
    ASSERT_LE(given.durable, last_);
    ASSERT_GE(given.durable, durable);
    durable = given.durable;
    committed_ = std::max(committed_, durable);
    runs.insert(runs.end(), given.runs.begin(), given.runs.end());
  }

  /// Takes what waits and appends it.
  void Propose() {
    if (granted) return;
    const auto sizes = core_->TakeProposals(512, 1 << 20, term_);
    if (sizes.empty()) return;
    member::AppendRun run;
    run.kind = member::AppendRun::Kind::kQueued;
    run.first_index = last_ + 1;
    run.term = term_;
    run.count = sizes.size();
    Append({run}, sizes.size());
  }

  void Append(std::vector<member::AppendRun> runs, uint64_t count) {
    const wal::HardState state{term_, 0xa1, committed_};
    ASSERT_TRUE(core_->Append(++sequence_, std::move(runs), &state, true, alone).ok());
    last_ += count;
    by_sequence_[sequence_] = last_;
  }

  /// A snapshot has taken the place of the whole log.
  void Installed(uint64_t index) { last_ = committed_ = applied_ = index; }
  wal::HardState hard_state(uint64_t commit) const { return {term_, 0xa1, commit}; }

  RecoveredState recovered;
  std::map<uint64_t, Outcome> results;
  std::vector<Record> others;    // leases, alarms, quota, watch, checkpoint, truncated
  std::vector<Record> slow;      // or failed
  std::vector<Record> controls;  // answered by `answer_controls`
  bool answer_controls = true;
  bool alone = false;  // appends need nobody else to be committed
  bool granted = false;
  uint64_t durable = 0;        // of what has been granted
  std::vector<uint32_t> runs;  // of what has been granted
  std::string fatal;

 private:
  void Handle(Record record) {
    switch (record.kind) {
      case apply::Kind::kDemand:  // every turn looks
        break;
      case apply::Kind::kDurable:
        committed_ = std::max(committed_, by_sequence_[record.NumberAt(0)]);
        core_->SetCommitted(committed_);
        core_->Apply(committed_);
        break;
      case apply::Kind::kApplied:
        EXPECT_GT(record.NumberAt(0), applied_);
        applied_ = record.NumberAt(0);
        EXPECT_LE(applied_, last_) << "applied, and never told of";
        break;
      case apply::Kind::kResult: {
        const auto code = static_cast<Code>(static_cast<uint8_t>(record.body[8]) |
                                            static_cast<uint8_t>(record.body[9]) << 8);
        const bool first =
            results.emplace(record.NumberAt(0), Outcome{code, record.body.substr(10)}).second;
        EXPECT_TRUE(first) << "a ticket was answered twice: " << record.NumberAt(0);
        break;
      }
      case apply::Kind::kControl:
        if (answer_controls) core_->ControlDone(record.NumberAt(0), {}, Code::kOk, "done", nullptr);
        controls.push_back(std::move(record));
        break;
      case apply::Kind::kSlow:
        slow.push_back(std::move(record));
        break;
      case apply::Kind::kFatal:
        fatal = record.body;
        break;
      default:
        others.push_back(std::move(record));
    }
  }

  void Wake() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      awake_ = true;
    }
    woken_.notify_one();
  }

  MemberOptions options_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool awake_ = false;  // guarded by mutex_
  uint64_t last_ = 0;
  uint64_t term_ = 1;
  uint64_t committed_ = 0;
  uint64_t applied_ = 0;
  uint64_t sequence_ = 0;
  uint64_t next_ticket_ = 1;
  bool ever_granted_ = false;
  std::map<uint64_t, uint64_t> by_sequence_;
  std::unique_ptr<MemberCore> core_;  // last: its threads call Wake
};

inline MemberOptions OptionsFor(const std::string& directory, member::EngineKind engine) {
  MemberOptions options;
  options.data_dir = directory;
  options.engine = engine;
  options.wal_segment_bytes = 1 << 20;
  options.store.compaction_sleep_ms = 0;
  options.rocks.block_cache_bytes = 8 << 20;
  options.rocks.write_buffer_bytes = 4 << 20;
  options.rocks.metadata_cache_bytes = 8 << 20;
  return options;
}

}  // namespace metastore::member_test

#endif  // METASTORE_TEST_SUPPORT_MEMBER_HARNESS_H_
