// The hash table and the interval tree of matcher.h.
#include "watch/events/matcher.h"

#include <utility>

#include "base/check.h"
#include "watch/sequencer/stream.h"

namespace metastore::watch {

struct Matcher::RangeNode {
  std::string start;
  std::string end;
  bool unbounded = false;
  uint64_t priority = 0;  // a parent's is not below its children's
  Group group;
  NodePtr left;
  NodePtr right;
  // Greatest end of this subtree; a view into the node that has it.
  std::string_view most;
  bool most_unbounded = false;
};

Matcher::Matcher() = default;
Matcher::~Matcher() = default;

int Matcher::Compare(const Span& span, const RangeNode& node) {
  if (const int order = span.start.compare(node.start); order != 0) return order;
  if (span.unbounded != node.unbounded) return span.unbounded ? 1 : -1;
  return span.end.compare(node.end);
}

void Matcher::Refresh(RangeNode* node) {
  node->most = node->end;
  node->most_unbounded = node->unbounded;
  for (const RangeNode* child : {node->left.get(), node->right.get()}) {
    if (child == nullptr) continue;
    if (child->most_unbounded) node->most_unbounded = true;
    if (child->most > node->most) node->most = child->most;
  }
}

Matcher::NodePtr Matcher::RotateLeft(NodePtr node) {
  NodePtr top = std::move(node->right);
  node->right = std::move(top->left);
  Refresh(node.get());
  top->left = std::move(node);
  Refresh(top.get());
  return top;
}

Matcher::NodePtr Matcher::RotateRight(NodePtr node) {
  NodePtr top = std::move(node->left);
  node->left = std::move(top->right);
  Refresh(node.get());
  top->right = std::move(node);
  Refresh(top.get());
  return top;
}

Matcher::NodePtr Matcher::Insert(NodePtr node, const Span& span, Group** group) {
  if (node == nullptr) {
    node = std::make_unique<RangeNode>();
    node->start = span.start;
    node->end = span.end;
    node->unbounded = span.unbounded;
    node->priority = MixWords(++sequence_ ^ HashSeed(), 0x9E3779B97F4A7C15);
    *group = &node->group;
    Refresh(node.get());
    return node;
  }
  const int order = Compare(span, *node);
  if (order == 0) {
    *group = &node->group;
    return node;
  }
  if (order < 0) {
    node->left = Insert(std::move(node->left), span, group);
    if (node->left->priority > node->priority) return RotateRight(std::move(node));
  } else {
    node->right = Insert(std::move(node->right), span, group);
    if (node->right->priority > node->priority) return RotateLeft(std::move(node));
  }
  Refresh(node.get());
  return node;
}

Matcher::NodePtr Matcher::Join(NodePtr left, NodePtr right) {
  if (left == nullptr) return right;
  if (right == nullptr) return left;
  if (left->priority > right->priority) {
    left->right = Join(std::move(left->right), std::move(right));
    Refresh(left.get());
    return left;
  }
  right->left = Join(std::move(left), std::move(right->left));
  Refresh(right.get());
  return right;
}

Matcher::NodePtr Matcher::Erase(NodePtr node, const Span& span) {
  METASTORE_CHECK(node != nullptr, "a watcher's range is in the tree");
  const int order = Compare(span, *node);
  if (order == 0) return Join(std::move(node->left), std::move(node->right));
  if (order < 0) {
    node->left = Erase(std::move(node->left), span);
  } else {
    node->right = Erase(std::move(node->right), span);
  }
  Refresh(node.get());
  return node;
}

void Matcher::Stab(RangeNode* node, std::string_view key, FunctionRef<void(Group&)> visit) {
  while (node != nullptr && (node->most_unbounded || key < node->most)) {
    Stab(node->left.get(), key, visit);
    if (key < node->start) return;
    if (node->unbounded || key < node->end) visit(node->group);
    node = node->right.get();
  }
}

void Matcher::Add(Watcher* watcher) {
  METASTORE_CHECK(watcher->group == nullptr, "a watcher is in one matcher at a time");
  const Span& span = watcher->span;
  Group* group = nullptr;
  if (span.single) {
    auto found = singles_.find(std::string_view(span.start));
    if (found == singles_.end()) {
      auto single = std::make_unique<Single>();
      single->key = span.start;
      const std::string_view name = single->key;
      found = singles_.emplace(name, std::move(single)).first;
    }
    group = &found->second->group;
  } else {
    root_ = Insert(std::move(root_), span, &group);
  }
  watcher->group = group;
  watcher->group_index = group->watchers.size();
  group->watchers.push_back(watcher);
}

void Matcher::Remove(Watcher* watcher) {
  Group* group = watcher->group;
  METASTORE_CHECK(group != nullptr, "the watcher is in a matcher");
  METASTORE_CHECK(group->watchers[watcher->group_index] == watcher, "the group knows its watcher");
  Watcher* last = group->watchers.back();
  group->watchers[watcher->group_index] = last;
  last->group_index = watcher->group_index;
  group->watchers.pop_back();
  watcher->group = nullptr;
  if (!group->watchers.empty()) return;
  if (watcher->span.single) {
    singles_.erase(std::string_view(watcher->span.start));
  } else {
    root_ = Erase(std::move(root_), watcher->span);
  }
}

void Matcher::Match(std::string_view key, FunctionRef<void(Group&)> visit) {
  if (!singles_.empty()) {
    const auto found = singles_.find(key);
    if (found != singles_.end()) visit(found->second->group);
  }
  Stab(root_.get(), key, visit);
}

}  // namespace metastore::watch
