// A plain model of the log and a seeded generator of legal operations, for the crash tests: after a
// crash the log must say what the model said after some number of operations, not fewer than were
// reported durable.
#ifndef METASTORE_TEST_SUPPORT_WAL_MODEL_H_
#define METASTORE_TEST_SUPPORT_WAL_MODEL_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "test/support/wal_support.h"

namespace metastore::wal {

struct ModelState {
  uint64_t start_index = 0;
  uint64_t start_term = 0;
  uint64_t last_index = 0;
  HardState hard_state;
  std::map<uint64_t, std::pair<uint64_t, size_t>> entries;  // index to term and size

  bool operator==(const ModelState& other) const {
    return start_index == other.start_index && start_term == other.start_term &&
           last_index == other.last_index && hard_state.term == other.hard_state.term &&
           hard_state.vote == other.hard_state.vote &&
           hard_state.commit == other.hard_state.commit && entries == other.entries;
  }
};

struct ModelOperation {
  enum Kind { kAppend, kTruncate, kReset } kind = kAppend;
  std::vector<Entry> entries;
  bool has_state = false;
  HardState hard_state;
  bool sync = true;
  uint64_t index = 0;
  uint64_t term = 0;

  void Run(Wal* wal, std::function<void(Status)> done) const {
    if (kind == kAppend) {
      wal->Append(entries, has_state ? &hard_state : nullptr, sync, std::move(done));
    } else if (kind == kTruncate) {
      wal->Truncate(index, term, std::move(done));
    } else {
      wal->Reset(index, term, std::move(done));
    }
  }
};

class Model {
 public:
  Model(uint64_t seed, ModelState state) : random_(seed), state_(std::move(state)) {}

  const ModelState& state() const { return state_; }
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  /// Makes a legal operation and applies it to the state.
  ModelOperation Next() {
    const uint64_t choice = Below(100);
    ModelOperation operation;
    if (choice < 2) {
      MakeReset(&operation);
    } else if (choice < 9 && !state_.entries.empty() && Lowest() > state_.start_index) {
      MakeTruncate(&operation);
    } else if (choice < 20) {
      AddState(&operation);
      operation.sync = false;
    } else {
      uint64_t from = state_.last_index + 1;
      if (choice < 30) from = Lowest() + 1 + Below(state_.last_index - Lowest() + 1);
      if (choice < 40) ++term_of_operations_;
      MakeEntries(&operation, from);
      if (Below(2) == 0) AddState(&operation);
      operation.sync = Below(10) != 0;
    }
    return operation;
  }

 private:
  uint64_t Lowest() const { return std::max(state_.hard_state.commit, state_.start_index); }

  uint64_t Term() {
    term_of_operations_ = std::max(term_of_operations_, state_.hard_state.term);
    if (!state_.entries.empty()) {
      term_of_operations_ = std::max(term_of_operations_, state_.entries.rbegin()->second.first);
    }
    return term_of_operations_ = std::max(term_of_operations_, state_.start_term);
  }

  void MakeReset(ModelOperation* operation) {
    operation->kind = ModelOperation::kReset;
    operation->index = Lowest() + Below(50);
    operation->term = Term() + 1;
    state_.start_index = state_.last_index = operation->index;
    state_.start_term = operation->term;
    state_.entries.clear();
  }

  void MakeTruncate(ModelOperation* operation) {
    operation->kind = ModelOperation::kTruncate;
    operation->index = state_.start_index + 1 + Below(Lowest() - state_.start_index);
    operation->term = state_.entries.at(operation->index).first;
    state_.start_index = operation->index;
    state_.start_term = operation->term;
    state_.entries.erase(state_.entries.begin(), state_.entries.upper_bound(operation->index));
  }

  void MakeEntries(ModelOperation* operation, uint64_t from) {
    const uint64_t term = Term();
    const uint64_t count = 1 + Below(8);
    state_.entries.erase(state_.entries.lower_bound(from), state_.entries.end());
    for (uint64_t index = from; index < from + count; ++index) {
      const size_t size = Below(20) == 0 ? Below(5000) : Below(200);
      operation->entries.push_back(MakeEntry(index, term, size));
      state_.entries[index] = {term, size};
    }
    state_.last_index = from + count - 1;
  }

  void AddState(ModelOperation* operation) {
    operation->has_state = true;
    const uint64_t commit = Lowest() + Below(state_.last_index - Lowest() + 1);
    state_.hard_state = operation->hard_state = {Term(), Below(4), commit};
  }

  std::mt19937_64 random_;
  ModelState state_;
  uint64_t term_of_operations_ = 1;
};

/// What an opened log says, with every payload read and compared with its pattern.
inline void ReadState(Wal* wal, const Recovered& recovered, ModelState* state) {
  state->start_index = recovered.start_index;
  state->start_term = recovered.start_term;
  state->last_index = recovered.last_index;
  state->hard_state = recovered.hard_state;
  state->entries.clear();
  ASSERT_EQ(wal->start_index(), recovered.start_index);
  ASSERT_EQ(wal->last_index(), recovered.last_index);
  if (recovered.start_index == recovered.last_index) return;
  std::vector<Entry> entries;
  const Status status =
      wal->Read(recovered.start_index + 1, recovered.last_index, UINT64_MAX, &entries);
  ASSERT_TRUE(status.ok()) << status.ToString();
  for (const Entry& entry : entries) {
    ASSERT_NE(entry.payload, nullptr);
    const size_t size = entry.payload->size();
    ASSERT_TRUE(*entry.payload == PatternOf(entry.index, entry.term, size)) << entry.index;
    state->entries[entry.index] = {entry.term, size};
  }
}

/// The model's state in the form in which a start reports it.
inline ModelState AsRecovered(ModelState state) {
  state.hard_state.commit = std::max(state.hard_state.commit, state.start_index);
  return state;
}

}  // namespace metastore::wal

#endif  // METASTORE_TEST_SUPPORT_WAL_MODEL_H_
