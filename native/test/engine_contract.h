// What every engine is tested with: a plain model beside the engine, and a fixture that is
// instantiated once per engine (engine_contract_test.cc, rocks_contract_test.cc).
#ifndef METASTORE_TEST_ENGINE_CONTRACT_H_
#define METASTORE_TEST_ENGINE_CONTRACT_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace metastore::test {

/// A version with its own bytes; what a visitor was shown, or what the model holds.
struct Row {
  Revision rev;
  Revision prev;
  uint32_t prev_size_bytes = 0;
  bool tombstone = false;
  int64_t create_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  std::string key;
  std::string value;
  bool operator==(const Row&) const = default;
  VersionView View() const;
  VersionMeta Meta() const;
};
Row RowOf(const VersionView& view);
std::ostream& operator<<(std::ostream& out, const Row& row);

/// Drives an engine and the model in step. Operations gather in one batch until Commit.
class Script {
 public:
  explicit Script(Engine* engine) : engine_(engine) {}

  /// Starts the next revision; the operations that follow are its subs 0, 1, ...
  Script& Next();
  Script& Put(const std::string& key, const std::string& value, int64_t lease = 0);
  /// Nothing when the key is not live.
  Script& Delete(const std::string& key);
  Script& Meta(const std::string& key, std::optional<std::string> value);
  Script& Attach(int64_t lease, const std::string& key, bool attached = true);
  /// Drops what a compaction to `at` drops: all but each key's newest version up to `at`, and that
  /// too when it is a tombstone.
  Script& Compact(int64_t at);
  void Commit();

  EngineSnapshotRef Pin() { return engine_->Pin(revision_); }
  int64_t revision() const { return revision_; }
  int64_t compacted() const { return compacted_; }
  uint64_t applied() const { return applied_; }
  const std::map<Revision, Row>& rows() const { return rows_; }
  const std::map<std::string, std::string>& meta() const { return meta_; }
  const std::set<std::pair<int64_t, std::string>>& attached() const { return attached_; }
  /// Names of all keys that were ever written.
  const std::set<std::string>& keys() const { return keys_; }

  /// The live state at a revision, by key.
  std::map<std::string, Row> StateAt(int64_t at) const;
  /// Null when the key is not live.
  const Row* Newest(const std::string& key) const;

  /// Compares every kind of read with the model, at each revision from compacted to current.
  void ExpectSame();
  void ExpectSameAt(const EngineSnapshot& snapshot, int64_t at);
  void ExpectSameRevisions(const EngineSnapshot& snapshot);
  void ExpectSameRows(const EngineSnapshot& snapshot);
  void ExpectSameLookup();

  /// Goes on with another engine object over the same state.
  void Reattach(Engine* engine) { engine_ = engine; }

 private:
  void Add(Row row, const VersionMeta& prev);

  Engine* engine_;
  Batch batch_;
  int64_t revision_ = 1;
  int64_t sub_ = 0;
  int64_t compacted_ = -1;
  uint64_t applied_ = 0;
  std::map<Revision, Row> rows_;
  std::map<std::string, std::map<Revision, const Row*>> by_key_;
  std::map<std::string, std::string> meta_;
  std::set<std::pair<int64_t, std::string>> attached_;
  std::set<std::string> keys_;
};

std::vector<Row> ScanAll(Engine* engine, const EngineSnapshot& snapshot, const KeyRange& range,
                         int64_t at, bool keys_only = false);
std::vector<Row> RevisionsOf(Engine* engine, const EngineSnapshot& snapshot, Revision from,
                             int64_t to_main);
std::optional<Row> GetAt(Engine* engine, const EngineSnapshot& snapshot, std::string_view key,
                         int64_t at);
std::vector<std::string> AttachedTo(Engine* engine, const EngineSnapshot& snapshot, int64_t lease);

/// All keys.
inline KeyRange Everything() {
  KeyRange range;
  range.unbounded = true;
  return range;
}

/// A directory that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct EngineKind {
  const char* name;
  /// Makes a fresh engine; the directory is empty and the engine's own.
  std::function<std::unique_ptr<Engine>(const std::string& directory)> make;
};
inline void PrintTo(const EngineKind& kind, std::ostream* out) { *out << kind.name; }

class EngineContract : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    engine_ = GetParam().make(directory_.path());
    ASSERT_NE(engine_, nullptr);
    script_ = std::make_unique<Script>(engine_.get());
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Script> script_;
};

}  // namespace metastore::test

#endif  // METASTORE_TEST_ENGINE_CONTRACT_H_
