// One bucket of a bbolt file, written from rows in ascending order: leaves as they fill, branches
// above them as soon as their children are written, the root last. At most a leaf and two branches
// of each level are held. Used by file_writer.cc, for each bucket and for the one that holds them.
#ifndef METASTORE_BBOLT_TREE_WRITER_H_
#define METASTORE_BBOLT_TREE_WRITER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "bbolt/format.h"

namespace metastore::bbolt {

/// A value in up to three pieces, so that a large one need not be put together first.
struct Value {
  std::string_view head;
  std::string_view body;
  std::string_view tail;
  size_t size() const { return head.size() + body.size() + tail.size(); }
};

/// Numbers page runs in the order in which they come, and holds their bytes, unless it only counts.
class PageSink {
 public:
  PageSink(bool counts_only, uint64_t first_page)
      : counts_only_(counts_only), next_page_(first_page) {}

  bool counts_only() const { return counts_only_; }
  uint64_t next_page() const { return next_page_; }
  /// The number of the next run, which `bytes` (head, elements, data) long contents fill.
  uint64_t Take(size_t bytes);
  /// Fills up the last page of a run that began at `start` of bytes().
  void Pad(size_t start);
  std::string& bytes() { return bytes_; }

 private:
  const bool counts_only_;
  uint64_t next_page_;
  std::string bytes_;
};

class TreeWriter {
 public:
  explicit TreeWriter(PageSink* sink) : sink_(sink) {}

  /// Keys ascend. `flags` is 0 or kBucketElement. Key and value within the limits of format.h.
  void Add(std::string_view key, const Value& value, uint32_t flags = 0);
  /// Ends the tree; the page of its root.
  uint64_t Finish();
  /// Ends a tree that is a bucket in another one; the value that names it there. Small ones stand
  /// inside that value (zeros of the right number when the sink only counts).
  std::string FinishBucket();

 private:
  struct Row {
    uint32_t flags = 0;
    uint32_t key_bytes = 0;
    uint32_t value_bytes = 0;
  };
  struct Child {
    std::string key;  // the first of all below it
    uint64_t page = 0;
  };
  struct Branch {
    std::vector<Child> children;
    size_t bytes = kPageHeadBytes;
    void Add(Child child);
  };
  /// `previous` is full and waits, so that the last branch of a level never has a single child:
  /// other writers cannot remove a key from below such a branch.
  struct Level {
    Branch previous;
    Branch current;
  };

  void AppendLeaf(uint64_t page, std::string* out) const;
  void FlushLeaf();
  void AddChild(size_t level, Child child);
  void FlushBranch(size_t level, Branch* branch);
  /// Both branches of a level that has more than one.
  void FinishLevel(size_t level);

  PageSink* const sink_;
  std::vector<Row> rows_;  // of the leaf that is being filled
  std::string first_key_;
  std::string data_;  // empty when the sink only counts
  size_t leaf_bytes_ = kPageHeadBytes;
  std::deque<Level> levels_;  // from the leaves' parents upwards
  std::string last_key_;
};

}  // namespace metastore::bbolt

#endif  // METASTORE_BBOLT_TREE_WRITER_H_
