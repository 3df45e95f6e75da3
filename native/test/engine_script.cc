// The model and the driver of engine_contract.h.
#include <unistd.h>

#include <cstdlib>
#include <iomanip>

#include "test/engine_contract.h"

namespace metastore::test {

Row RowOf(const VersionView& view) {
  Row row;
  row.rev = view.rev;
  row.prev = view.prev;
  row.prev_size_bytes = view.prev_size_bytes;
  row.tombstone = view.tombstone;
  row.create_revision = view.create_revision;
  row.version = view.version;
  row.lease = view.lease;
  row.key.assign(view.key);
  row.value.assign(view.value);
  return row;
}

VersionView Row::View() const {
  VersionView view;
  view.rev = rev;
  view.prev = prev;
  view.prev_size_bytes = prev_size_bytes;
  view.tombstone = tombstone;
  view.create_revision = create_revision;
  view.version = version;
  view.lease = lease;
  view.key = key;
  view.value = value;
  return view;
}

VersionMeta Row::Meta() const {
  VersionMeta meta;
  meta.rev = rev;
  meta.create_revision = create_revision;
  meta.version = version;
  meta.lease = lease;
  meta.size_bytes = AccountedSize(key.size(), value.size());
  return meta;
}

std::ostream& operator<<(std::ostream& out, const Row& row) {
  out << '{' << row.rev.main << '.' << row.rev.sub << " prev " << row.prev.main << '.'
      << row.prev.sub << '/' << row.prev_size_bytes << (row.tombstone ? " deleted" : "")
      << " create " << row.create_revision << " version " << row.version << " lease " << row.lease
      << " key ";
  for (const char c : row.key.substr(0, 40)) {
    out << std::hex << std::setw(2) << std::setfill('0') << (c & 0xff) << std::dec;
  }
  return out << " value of " << row.value.size() << '}';
}

Script& Script::Next() {
  ++revision_;
  sub_ = 0;
  return *this;
}

const Row* Script::Newest(const std::string& key) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second.empty()) return nullptr;
  const Row* row = found->second.rbegin()->second;
  return row->tombstone ? nullptr : row;
}

void Script::Add(Row row, const VersionMeta& prev) {
  row.rev = Revision{revision_, sub_++};
  row.prev = prev.rev;
  row.prev_size_bytes = prev.size_bytes;
  batch_.versions.push_back(VersionWrite{Version::Make(row.View()), prev});
  keys_.insert(row.key);
  const Revision rev = row.rev;
  const auto placed = rows_.emplace(rev, std::move(row)).first;
  by_key_[placed->second.key][rev] = &placed->second;
}

Script& Script::Put(const std::string& key, const std::string& value, int64_t lease) {
  const Row* old = Newest(key);
  Row row;
  row.key = key;
  row.value = value;
  row.lease = lease;
  row.create_revision = old != nullptr ? old->create_revision : revision_;
  row.version = old != nullptr ? old->version + 1 : 1;
  Add(std::move(row), old != nullptr ? old->Meta() : VersionMeta());
  return *this;
}

Script& Script::Delete(const std::string& key) {
  const Row* old = Newest(key);
  if (old == nullptr) return *this;
  Row row;
  row.key = key;
  row.tombstone = true;
  Add(std::move(row), old->Meta());
  return *this;
}

Script& Script::Meta(const std::string& key, std::optional<std::string> value) {
  if (value.has_value()) {
    meta_[key] = *value;
  } else {
    meta_.erase(key);
  }
  batch_.meta.push_back(MetaWrite{key, std::move(value)});
  return *this;
}

Script& Script::Attach(int64_t lease, const std::string& key, bool attached) {
  if (attached) {
    attached_.emplace(lease, key);
  } else {
    attached_.erase({lease, key});
  }
  batch_.attachments.push_back(AttachmentWrite{lease, key, attached});
  return *this;
}

Script& Script::Compact(int64_t at) {
  std::vector<Revision> dropped;
  for (auto& [key, versions] : by_key_) {
    auto after = versions.upper_bound(Revision{at, INT64_MAX});
    if (after == versions.begin()) continue;
    auto last = std::prev(after);
    const auto end = last->second->tombstone ? after : last;
    for (auto it = versions.begin(); it != end; ++it) dropped.push_back(it->first);
    versions.erase(versions.begin(), end);
  }
  std::sort(dropped.begin(), dropped.end());
  for (const Revision rev : dropped) {
    const Row& row = rows_.at(rev);
    batch_.removals.push_back(VersionRemoval{row.key, rev, row.tombstone});
    rows_.erase(rev);
  }
  compacted_ = at;
  return *this;
}

void Script::Commit() {
  batch_.revision = revision_;
  batch_.applied_index = ++applied_;
  const Status status = engine_->Commit(batch_);
  ASSERT_TRUE(status.ok()) << status.ToString();
  batch_.Clear();
}

std::map<std::string, Row> Script::StateAt(int64_t at) const {
  std::map<std::string, Row> state;
  for (const auto& [key, versions] : by_key_) {
    const auto after = versions.upper_bound(Revision{at, INT64_MAX});
    if (after == versions.begin()) continue;
    const Row* row = std::prev(after)->second;
    if (!row->tombstone) state.emplace(key, *row);
  }
  return state;
}

void Script::ExpectSameAt(const EngineSnapshot& snapshot, int64_t at) {
  const auto state = StateAt(at);
  std::vector<Row> wanted;
  for (const auto& [key, row] : state) wanted.push_back(row);
  KeyRange everything;
  everything.unbounded = true;
  EXPECT_EQ(ScanAll(engine_, snapshot, everything, at), wanted) << "at " << at;
  for (const std::string& key : keys_) {
    const auto found = state.find(key);
    const auto got = GetAt(engine_, snapshot, key, at);
    ASSERT_EQ(got.has_value(), found != state.end()) << "at " << at;
    if (got.has_value()) {
      EXPECT_EQ(*got, found->second) << "at " << at;
    }
  }
}

void Script::ExpectSameRevisions(const EngineSnapshot& snapshot) {
  std::vector<Row> wanted;
  for (const auto& [rev, row] : rows_) wanted.push_back(row);
  EXPECT_EQ(RevisionsOf(engine_, snapshot, Revision{0, 0}, INT64_MAX), wanted);
  for (const auto& [rev, row] : rows_) {
    std::optional<Row> got;
    const Status status = engine_->GetRevision(snapshot, rev, [&](const VersionView& view) {
      got = RowOf(view);
      return true;
    });
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_TRUE(got.has_value()) << row;
    EXPECT_EQ(*got, row);
  }
}

void Script::ExpectSameRows(const EngineSnapshot& snapshot) {
  std::map<std::string, std::string> got;
  ASSERT_TRUE(engine_
                  ->ScanMeta(snapshot, "",
                             [&](std::string_view key, std::string_view value) {
                               got.emplace(key, value);
                               return true;
                             })
                  .ok());
  EXPECT_EQ(got, meta_);
  std::set<int64_t> leases;
  for (const auto& [lease, key] : attached_) leases.insert(lease);
  for (const int64_t lease : leases) {
    std::vector<std::string> wanted;
    for (const auto& [of, key] : attached_) {
      if (of == lease) wanted.push_back(key);
    }
    EXPECT_EQ(AttachedTo(engine_, snapshot, lease), wanted);
  }
}

void Script::ExpectSameLookup() {
  std::vector<std::string> missing = {"never written", std::string(1, '\0')};
  std::vector<std::string_view> keys(keys_.begin(), keys_.end());
  keys.insert(keys.end(), missing.begin(), missing.end());
  keys.insert(keys.end(), keys_.begin(), keys_.end());  // twice in one call
  std::vector<VersionMeta> metas(keys.size());
  ASSERT_TRUE(engine_->Lookup(keys, metas.data()).ok());
  for (size_t i = 0; i < keys.size(); ++i) {
    const Row* row = Newest(std::string(keys[i]));
    ASSERT_EQ(metas[i].exists(), row != nullptr);
    if (row == nullptr) continue;
    const VersionMeta wanted = row->Meta();
    EXPECT_EQ(metas[i].rev, wanted.rev);
    EXPECT_EQ(metas[i].create_revision, wanted.create_revision);
    EXPECT_EQ(metas[i].version, wanted.version);
    EXPECT_EQ(metas[i].lease, wanted.lease);
    EXPECT_EQ(metas[i].size_bytes, wanted.size_bytes);
  }
}

void Script::ExpectSame() {
  const EngineSnapshotRef snapshot = Pin();
  for (int64_t at = std::max<int64_t>(1, compacted_); at <= revision_; ++at) {
    ExpectSameAt(*snapshot, at);
  }
  ExpectSameRevisions(*snapshot);
  ExpectSameRows(*snapshot);
  ExpectSameLookup();
}

std::vector<Row> ScanAll(Engine* engine, const EngineSnapshot& snapshot, const KeyRange& range,
                         int64_t at, bool keys_only) {
  std::vector<Row> rows;
  const Status status = engine->Scan(snapshot, range, at, keys_only, [&](const VersionView& view) {
    rows.push_back(RowOf(view));
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return rows;
}

std::vector<Row> RevisionsOf(Engine* engine, const EngineSnapshot& snapshot, Revision from,
                             int64_t to_main) {
  std::vector<Row> rows;
  const Status status =
      engine->ScanRevisions(snapshot, from, to_main, [&](const VersionView& view) {
        rows.push_back(RowOf(view));
        return true;
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return rows;
}

std::optional<Row> GetAt(Engine* engine, const EngineSnapshot& snapshot, std::string_view key,
                         int64_t at) {
  std::optional<Row> row;
  const Status status = engine->Get(snapshot, key, at, [&](const VersionView& view) {
    row = RowOf(view);
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return row;
}

std::vector<std::string> AttachedTo(Engine* engine, const EngineSnapshot& snapshot, int64_t lease) {
  std::vector<std::string> keys;
  const Status status = engine->ScanAttached(snapshot, lease, [&](std::string_view key) {
    keys.emplace_back(key);
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return keys;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "metastore-XXXXXX").string();
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace metastore::test
