// The B+ tree behind key_index.h: search, insertion with splits, removal with merges of leaves.
//
// Inner nodes are not rebalanced on removal, only dropped when their last child goes: a tree that
// shrank stays correct and at most as high as it was.
#include "engine/tables/index/key_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/tables/index/key_index_node.h"

namespace metastore {
namespace {

using Leaf = KeyIndexLeaf;
using Inner = KeyIndexInner;

// 64-way nodes that are at least half full when they split: 2^5 per level, so 2^80 keys.
constexpr int kHighest = 16;

void FreeSubtree(void* node, int height) {
  if (height == 0) {
    delete static_cast<Leaf*>(node);
    return;
  }
  auto* inner = static_cast<Inner*>(node);
  for (uint32_t i = 0; i <= inner->keys.count; ++i) FreeSubtree(inner->children[i], height - 1);
  delete inner;
}

/// The shortest string above `left` and not above `right`.
std::string Separator(std::string_view left, std::string_view right) {
  return std::string(right.substr(0, CommonPrefix(left, right) + 1));
}

}  // namespace

/// The inner nodes from the root down, and the child taken in each.
struct KeyIndex::Path {
  Inner* nodes[kHighest];
  uint32_t slots[kHighest];
  int depth = 0;
};

KeyIndex::KeyIndex() : root_(new Leaf()) {}
KeyIndex::~KeyIndex() { FreeSubtree(root_, height_); }

const IndexedKey* KeyIndex::Cursor::entry() const { return leaf_->entries[slot_]; }

void KeyIndex::Cursor::SkipEnd() {
  while (leaf_ != nullptr && slot_ >= leaf_->keys.count) {
    leaf_ = leaf_->next;
    slot_ = 0;
  }
  // The next leaf is far away in memory and its turn comes soon.
  if (leaf_ != nullptr && slot_ == 0) __builtin_prefetch(leaf_->next);
}

void KeyIndex::Cursor::Next() {
  ++slot_;
  SkipEnd();
}

KeyIndexLeaf* KeyIndex::Descend(std::string_view key, Path* path) const {
  void* node = root_;
  for (int level = height_; level > 0; --level) {
    auto* inner = static_cast<Inner*>(node);
    const uint32_t slot = inner->ChildOf(key);
    path->nodes[path->depth] = inner;
    path->slots[path->depth++] = slot;
    node = inner->children[slot];
  }
  return static_cast<Leaf*>(node);
}

KeyIndex::Cursor KeyIndex::LowerBound(std::string_view key) const {
  Path path;
  Cursor cursor;
  cursor.leaf_ = Descend(key, &path);
  cursor.slot_ = cursor.leaf_->keys.LowerBound(key, cursor.leaf_->KeyAt());
  cursor.SkipEnd();
  return cursor;
}

KeyIndex::Cursor KeyIndex::LastBelow(std::string_view key) const {
  Path path;
  Cursor cursor;
  cursor.leaf_ = Descend(key, &path);
  cursor.slot_ = cursor.leaf_->keys.LowerBound(key, cursor.leaf_->KeyAt());
  if (cursor.slot_ == 0) {
    // Only the root can be an empty leaf, so the one before has a last key.
    cursor.leaf_ = cursor.leaf_->previous;
    if (cursor.leaf_ != nullptr) cursor.slot_ = cursor.leaf_->keys.count;
  }
  if (cursor.leaf_ != nullptr) --cursor.slot_;
  return cursor;
}

KeyIndex::Cursor KeyIndex::Last() const {
  const void* node = root_;
  for (int level = height_; level > 0; --level) {
    const auto* inner = static_cast<const Inner*>(node);
    node = inner->children[inner->keys.count];
  }
  Cursor cursor;
  const auto* leaf = static_cast<const Leaf*>(node);
  if (leaf->keys.count == 0) return cursor;
  cursor.leaf_ = leaf;
  cursor.slot_ = leaf->keys.count - 1;
  return cursor;
}

void KeyIndex::Insert(IndexedKey* entry) {
  const std::string_view key = entry->key();
  Path path;
  Leaf* leaf = Descend(key, &path);
  if (leaf->keys.count == kFanout) leaf = SplitLeaf(leaf, key, &path);
  const uint32_t at = leaf->keys.LowerBound(key, leaf->KeyAt());
  METASTORE_CHECK(!leaf->keys.Holds(at, key, leaf->KeyAt()), "a key occurs once");
  const uint32_t count = leaf->keys.count;
  leaf->keys.Insert(at, key, leaf->KeyAt());
  std::copy_backward(leaf->entries + at, leaf->entries + count, leaf->entries + count + 1);
  leaf->entries[at] = entry;
  ++size_;
}

/// Splits a full leaf and returns the half that `key` belongs to. Keys that arrive in order leave
/// full leaves behind.
KeyIndexLeaf* KeyIndex::SplitLeaf(Leaf* leaf, std::string_view key, Path* path) {
  const bool at_end = leaf->next == nullptr && leaf->entries[kFanout - 1]->key() < key;
  auto* right = new Leaf();
  const uint32_t keep = at_end ? kFanout : kFanout / 2;
  std::copy(leaf->entries + keep, leaf->entries + kFanout, right->entries);
  right->keys.Rebuild(kFanout - keep, right->KeyAt());
  if (!at_end) leaf->keys.Rebuild(keep, leaf->KeyAt());
  right->previous = leaf;
  right->next = leaf->next;
  if (leaf->next != nullptr) leaf->next->previous = right;
  leaf->next = right;
  std::string separator =
      Separator(leaf->entries[keep - 1]->key(), at_end ? key : right->entries[0]->key());
  const bool goes_right = separator <= key;
  AddChild(path, std::move(separator), right);
  return goes_right ? right : leaf;
}

/// Puts `right` behind the child that the path took, splitting inner nodes up to the root.
void KeyIndex::AddChild(Path* path, std::string separator, void* right) {
  while (path->depth > 0) {
    Inner* node = path->nodes[--path->depth];
    uint32_t slot = path->slots[path->depth];
    Inner* sibling = nullptr;
    std::string middle;
    if (node->keys.count == kFanout) {
      constexpr uint32_t kKeep = kFanout / 2;
      sibling = new Inner();
      middle = std::move(node->separators[kKeep]);
      std::move(node->separators + kKeep + 1, node->separators + kFanout, sibling->separators);
      std::copy(node->children + kKeep + 1, node->children + kFanout + 1, sibling->children);
      sibling->keys.Rebuild(kFanout - kKeep - 1, sibling->KeyAt());
      node->keys.Rebuild(kKeep, node->KeyAt());
    }
    Inner* target = node;
    if (sibling != nullptr && slot > kFanout / 2) {
      target = sibling;
      slot -= kFanout / 2 + 1;
    }
    const uint32_t count = target->keys.count;
    target->keys.Insert(slot, separator, target->KeyAt());
    std::move_backward(target->separators + slot, target->separators + count,
                       target->separators + count + 1);
    target->separators[slot] = std::move(separator);
    std::copy_backward(target->children + slot + 1, target->children + count + 1,
                       target->children + count + 2);
    target->children[slot + 1] = right;
    if (sibling == nullptr) return;
    separator = std::move(middle);
    right = sibling;
  }
  METASTORE_CHECK(height_ + 1 < kHighest, "height of the key index");
  auto* root = new Inner();
  root->separators[0] = std::move(separator);
  root->keys.Rebuild(1, root->KeyAt());
  root->children[0] = root_;
  root->children[1] = right;
  root_ = root;
  ++height_;
}

void KeyIndex::Erase(IndexedKey* entry) {
  const std::string_view key = entry->key();
  Path path;
  Leaf* leaf = Descend(key, &path);
  const uint32_t at = leaf->keys.LowerBound(key, leaf->KeyAt());
  METASTORE_CHECK(at < leaf->keys.count && leaf->entries[at] == entry, "the key is in the index");
  std::copy(leaf->entries + at + 1, leaf->entries + leaf->keys.count, leaf->entries + at);
  leaf->keys.Remove(at);
  --size_;
  if (leaf->keys.count == 0 && path.depth > 0) {
    if (leaf->previous != nullptr) leaf->previous->next = leaf->next;
    if (leaf->next != nullptr) leaf->next->previous = leaf->previous;
    delete leaf;
    DropChild(&path);
  } else if (leaf->keys.count < kFanout / 4) {
    MergeWithNext(leaf, &path);
  }
}

/// Takes the child that the path names out of its parent, and parents that it leaves childless.
void KeyIndex::DropChild(Path* path) {
  while (path->depth > 0) {
    Inner* node = path->nodes[--path->depth];
    const uint32_t slot = path->slots[path->depth];
    if (node->keys.count > 0) {
      const uint32_t separator = slot == 0 ? 0 : slot - 1;
      const uint32_t count = node->keys.count;
      std::copy(node->children + slot + 1, node->children + count + 1, node->children + slot);
      std::move(node->separators + separator + 1, node->separators + count,
                node->separators + separator);
      node->separators[count - 1].clear();
      node->keys.Remove(separator);
      break;
    }
    delete node;
    METASTORE_CHECK(path->depth > 0, "the root keeps a child");
  }
  while (height_ > 0 && static_cast<Inner*>(root_)->keys.count == 0) {
    auto* old = static_cast<Inner*>(root_);
    root_ = old->children[0];
    delete old;
    --height_;
  }
}

/// Moves the following leaf's keys in when both fit with room to spare and have one parent.
void KeyIndex::MergeWithNext(Leaf* leaf, Path* path) {
  if (path->depth == 0) return;
  const Inner* parent = path->nodes[path->depth - 1];
  uint32_t& slot = path->slots[path->depth - 1];
  Leaf* next = leaf->next;
  if (slot == parent->keys.count || leaf->keys.count + next->keys.count > kFanout * 3 / 4) return;
  std::copy(next->entries, next->entries + next->keys.count, leaf->entries + leaf->keys.count);
  leaf->keys.Rebuild(leaf->keys.count + next->keys.count, leaf->KeyAt());
  leaf->next = next->next;
  if (next->next != nullptr) next->next->previous = leaf;
  delete next;
  ++slot;
  DropChild(path);
}

namespace {

/// Checks a subtree whose keys lie in [*low, *high) and returns how many they are. Null: no bound.
size_t CheckSubtree(const void* node, int height, const std::string* low, const std::string* high,
                    const Leaf** last) {
  if (height == 0) {
    const auto* leaf = static_cast<const Leaf*>(node);
    METASTORE_CHECK(leaf->previous == *last, "leaves are linked");
    METASTORE_CHECK(*last == nullptr || (*last)->next == leaf, "leaves are linked");
    *last = leaf;
    for (uint32_t i = 0; i < leaf->keys.count; ++i) {
      const std::string_view key = leaf->entries[i]->key();
      METASTORE_CHECK(i == 0 || leaf->entries[i - 1]->key() < key, "keys ascend");
      METASTORE_CHECK(low == nullptr || *low <= key, "keys are within their separators");
      METASTORE_CHECK(high == nullptr || key < *high, "keys are within their separators");
      METASTORE_CHECK(leaf->keys.head[i] == HeadOf(key, leaf->keys.prefix), "heads are right");
    }
    return leaf->keys.count;
  }
  const auto* inner = static_cast<const Inner*>(node);
  size_t total = 0;
  for (uint32_t i = 0; i <= inner->keys.count; ++i) {
    const std::string* from = i == 0 ? low : &inner->separators[i - 1];
    const std::string* to = i == inner->keys.count ? high : &inner->separators[i];
    total += CheckSubtree(inner->children[i], height - 1, from, to, last);
    if (i < inner->keys.count) {
      const uint64_t head = HeadOf(inner->separators[i], inner->keys.prefix);
      METASTORE_CHECK(inner->keys.head[i] == head, "heads are right");
    }
  }
  return total;
}

}  // namespace

void KeyIndex::CheckInvariants() const {
  const Leaf* last = nullptr;
  const size_t total = CheckSubtree(root_, height_, nullptr, nullptr, &last);
  METASTORE_CHECK(last->next == nullptr, "the last leaf ends the chain");
  METASTORE_CHECK(total == size_, "the count is right");
}

}  // namespace metastore
