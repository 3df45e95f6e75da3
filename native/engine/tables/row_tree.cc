// The treap behind row_tree.h. A row's priority is a seeded hash of its key, so the depth stays
// logarithmic whatever keys clients choose, and recursion with it.
#include "engine/tables/row_tree.h"

#include <utility>

#include "base/hash.h"

namespace metastore {

RowTree::NodeRef RowTree::Make(RowRef row, NodeRef left, NodeRef right) {
  auto* node = new Node();
  node->row = std::move(row);
  node->left = std::move(left);
  node->right = std::move(right);
  return NodeRef(node);
}

RowTree::NodeRef RowTree::Insert(const NodeRef& node, RowRef row, bool* added) {
  if (!node) {
    *added = true;
    return Make(std::move(row), NodeRef(), NodeRef());
  }
  const int order = row->key.compare(node->row->key);
  if (order == 0) return Make(std::move(row), node->left, node->right);
  if (order < 0) {
    NodeRef left = Insert(node->left, std::move(row), added);
    if (left->row->priority <= node->row->priority) return Make(node->row, left, node->right);
    return Make(left->row, left->left, Make(node->row, left->right, node->right));
  }
  NodeRef right = Insert(node->right, std::move(row), added);
  if (right->row->priority <= node->row->priority) return Make(node->row, node->left, right);
  return Make(right->row, Make(node->row, node->left, right->left), right->right);
}

void RowTree::Put(std::string_view key, std::string_view value) {
  auto* row = new Row();
  row->key.assign(key);
  row->value.assign(value);
  row->priority = HashBytes(key);
  bool added = false;
  root_ = Insert(root_, RowRef(row), &added);
  if (added) ++size_;
}

/// Every key of `left` is below every key of `right`.
RowTree::NodeRef RowTree::Join(const NodeRef& left, const NodeRef& right) {
  if (!left) return right;
  if (!right) return left;
  if (left->row->priority >= right->row->priority) {
    return Make(left->row, left->left, Join(left->right, right));
  }
  return Make(right->row, Join(left, right->left), right->right);
}

/// The key is there.
RowTree::NodeRef RowTree::Without(const NodeRef& node, std::string_view key) {
  const int order = key.compare(node->row->key);
  if (order == 0) return Join(node->left, node->right);
  if (order < 0) return Make(node->row, Without(node->left, key), node->right);
  return Make(node->row, node->left, Without(node->right, key));
}

bool RowTree::Erase(std::string_view key) {
  if (Find(key) == nullptr) return false;
  root_ = Without(root_, key);
  --size_;
  return true;
}

const std::string* RowTree::Find(std::string_view key) const {
  const Node* node = root_.get();
  while (node != nullptr) {
    const int order = key.compare(node->row->key);
    if (order == 0) return &node->row->value;
    node = order < 0 ? node->left.get() : node->right.get();
  }
  return nullptr;
}

bool RowTree::Visit(const Node* node, std::string_view prefix, RowVisitor visit) {
  if (node == nullptr) return true;
  const std::string_view key = node->row->key;
  // Keys with the prefix are neighbours: below them the right side, above them the left side.
  const int order = key.substr(0, prefix.size()).compare(prefix);
  if (order < 0) return Visit(node->right.get(), prefix, visit);
  if (order > 0) return Visit(node->left.get(), prefix, visit);
  return Visit(node->left.get(), prefix, visit) && visit(key, node->row->value) &&
         Visit(node->right.get(), prefix, visit);
}

bool RowTree::Scan(std::string_view prefix, RowVisitor visit) const {
  return Visit(root_.get(), prefix, visit);
}

}  // namespace metastore
