// Matcher: finds the watchers that a key concerns.
//
// Watchers of the same key or the same range form one group, so that a change is matched and
// encoded once for all of them. Single keys live in a hash table, ranges in an interval tree (a
// treap ordered by start, each node knowing the greatest end below it). The hub keeps one over its
// synced watchers and makes a short-lived one for each pass over history. Not thread-safe.
#ifndef METASTORE_WATCH_EVENTS_MATCHER_H_
#define METASTORE_WATCH_EVENTS_MATCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "base/hash.h"

namespace metastore::watch {

struct Watcher;

/// What a watcher watches: one key, or [start, end) where unbounded means no end.
struct Span {
  std::string start;
  std::string end;  // empty for a single key and for an unbounded range
  bool single = true;
  bool unbounded = false;
  bool Contains(std::string_view key) const {
    if (single) return key == start;
    return key >= start && (unbounded || key < end);
  }
};

/// Watchers with equal spans. `matched` is scratch of one fan-out: the positions of the changes
/// that concern the group; whoever fills it empties it.
struct Group {
  std::vector<Watcher*> watchers;
  std::vector<uint32_t> matched;
};

class Matcher {
 public:
  Matcher();
  ~Matcher();
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  /// Sets watcher->group and watcher->group_index; a watcher is in one matcher at a time. Groups
  /// stay where they are until their last watcher leaves.
  void Add(Watcher* watcher);
  void Remove(Watcher* watcher);

  /// Visits every group whose span contains the key: first the single key's, then ranges by start.
  void Match(std::string_view key, FunctionRef<void(Group&)> visit);

  bool empty() const { return singles_.empty() && root_ == nullptr; }

 private:
  struct RangeNode;
  using NodePtr = std::unique_ptr<RangeNode>;
  struct SeededHash {
    size_t operator()(std::string_view key) const { return HashBytes(key); }
  };

  static int Compare(const Span& span, const RangeNode& node);
  static void Refresh(RangeNode* node);
  static NodePtr RotateLeft(NodePtr node);
  static NodePtr RotateRight(NodePtr node);
  NodePtr Insert(NodePtr node, const Span& span, Group** group);
  static NodePtr Erase(NodePtr node, const Span& span);
  static NodePtr Join(NodePtr left, NodePtr right);
  static void Stab(RangeNode* node, std::string_view key, FunctionRef<void(Group&)> visit);

  /// Keys are views into the group's own copy, which the pointer keeps in place.
  struct Single {
    std::string key;
    Group group;
  };
  std::unordered_map<std::string_view, std::unique_ptr<Single>, SeededHash> singles_;
  NodePtr root_;
  uint64_t sequence_ = 0;  // draws priorities
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_EVENTS_MATCHER_H_
