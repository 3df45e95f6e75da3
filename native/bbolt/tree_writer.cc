// Writing of tree_writer.h.
#include "bbolt/tree_writer.h"

#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::bbolt {
namespace {

constexpr size_t kLeastChildren = 2;

uint64_t PagesOf(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }

uint32_t OverflowOf(size_t bytes) { return static_cast<uint32_t>(PagesOf(bytes) - 1); }

}  // namespace

uint64_t PageSink::Take(size_t bytes) {
  METASTORE_CHECK(bytes >= kPageHeadBytes, "a page has a head");
  const uint64_t page = next_page_;
  next_page_ += PagesOf(bytes);
  return page;
}

void PageSink::Pad(size_t start) {
  const size_t written = bytes_.size() - start;
  bytes_.resize(start + PagesOf(written) * kPageBytes, '\0');
}

void TreeWriter::Add(std::string_view key, const Value& value, uint32_t flags) {
  METASTORE_CHECK(!key.empty() && key.size() <= kMaxKeyBytes, "the length of a key");
  METASTORE_CHECK(value.size() <= kMaxValueBytes, "the length of a value");
  METASTORE_CHECK(key > last_key_, "rows ascend");
  const size_t bytes = kElementBytes + key.size() + value.size();
  if (!rows_.empty() && leaf_bytes_ + bytes > kPageBytes) FlushLeaf();
  if (rows_.empty()) first_key_.assign(key);
  rows_.push_back({flags, static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())});
  leaf_bytes_ += bytes;
  last_key_.assign(key);
  if (sink_->counts_only()) return;
  data_.append(key).append(value.head).append(value.body).append(value.tail);
}

void TreeWriter::AppendLeaf(uint64_t page, std::string* out) const {
  AppendPageHead(page, kLeafPage, static_cast<uint16_t>(rows_.size()), OverflowOf(leaf_bytes_),
                 out);
  size_t elements = rows_.size() * kElementBytes;
  size_t data = 0;
  for (const Row& row : rows_) {
    AppendLittle32(out, row.flags);
    AppendLittle32(out, static_cast<uint32_t>(elements + data));
    AppendLittle32(out, row.key_bytes);
    AppendLittle32(out, row.value_bytes);
    elements -= kElementBytes;
    data += size_t{row.key_bytes} + row.value_bytes;
  }
  METASTORE_CHECK(data == data_.size(), "the rows are those of the data");
  out->append(data_);
}

void TreeWriter::FlushLeaf() {
  const uint64_t page = sink_->Take(leaf_bytes_);
  if (!sink_->counts_only()) {
    const size_t start = sink_->bytes().size();
    AppendLeaf(page, &sink_->bytes());
    sink_->Pad(start);
  }
  rows_.clear();
  data_.clear();
  leaf_bytes_ = kPageHeadBytes;
  AddChild(0, {std::exchange(first_key_, {}), page});
}

void TreeWriter::Branch::Add(Child child) {
  bytes += kElementBytes + child.key.size();
  children.push_back(std::move(child));
}

void TreeWriter::AddChild(size_t level, Child child) {
  if (levels_.size() == level) levels_.emplace_back();
  Level& here = levels_[level];  // stays where it is: a deque
  const size_t bytes = kElementBytes + child.key.size();
  const bool full = here.current.bytes + bytes > kPageBytes;
  if (full && here.current.children.size() >= kLeastChildren) {
    if (!here.previous.children.empty()) FlushBranch(level, &here.previous);
    here.previous = std::exchange(here.current, Branch());
  }
  here.current.Add(std::move(child));
}

void TreeWriter::FlushBranch(size_t level, Branch* branch) {
  const std::vector<Child>& children = branch->children;
  METASTORE_CHECK(children.size() >= kLeastChildren, "branches have children");
  const uint64_t page = sink_->Take(branch->bytes);
  if (!sink_->counts_only()) {
    std::string& out = sink_->bytes();
    const size_t start = out.size();
    AppendPageHead(page, kBranchPage, static_cast<uint16_t>(children.size()),
                   OverflowOf(branch->bytes), &out);
    size_t elements = children.size() * kElementBytes;
    size_t data = 0;
    for (const Child& child : children) {
      AppendLittle32(&out, static_cast<uint32_t>(elements + data));
      AppendLittle32(&out, static_cast<uint32_t>(child.key.size()));
      AppendLittle64(&out, child.page);
      elements -= kElementBytes;
      data += child.key.size();
    }
    for (const Child& child : children) out.append(child.key);
    sink_->Pad(start);
  }
  Child whole = {children.front().key, page};
  *branch = Branch();
  AddChild(level + 1, std::move(whole));
}

void TreeWriter::FinishLevel(size_t level) {
  Level& here = levels_[level];
  std::vector<Child>& waiting = here.previous.children;
  if (here.current.children.size() < kLeastChildren) {
    if (waiting.size() > kLeastChildren) {
      Branch last;
      last.Add(waiting.back());
      last.Add(std::move(here.current.children.front()));
      here.previous.bytes -= kElementBytes + waiting.back().key.size();
      waiting.pop_back();
      here.current = std::move(last);
    } else {
      here.previous.Add(std::move(here.current.children.front()));
      here.current = Branch();
    }
  }
  FlushBranch(level, &here.previous);
  if (!here.current.children.empty()) FlushBranch(level, &here.current);
}

uint64_t TreeWriter::Finish() {
  if (!rows_.empty() || levels_.empty()) FlushLeaf();
  for (size_t level = 0;; level++) {
    METASTORE_CHECK(level < levels_.size(), "the level below has put something here");
    Level& here = levels_[level];
    if (here.previous.children.empty()) {
      // Nothing of this level has been written: it is the last one.
      if (here.current.children.size() > 1) {
        FlushBranch(level, &here.current);
        continue;
      }
      return here.current.children.front().page;
    }
    FinishLevel(level);
  }
}

std::string TreeWriter::FinishBucket() {
  std::string value;
  if (levels_.empty() && leaf_bytes_ <= kInlineBucketBytes) {
    if (sink_->counts_only()) return std::string(kBucketHeadBytes + leaf_bytes_, '\0');
    value.append(kBucketHeadBytes, '\0');
    AppendLeaf(0, &value);
    return value;
  }
  AppendLittle64(&value, Finish());
  AppendLittle64(&value, 0);  // sequence
  return value;
}

}  // namespace metastore::bbolt
