// RowTree: a persistent ordered map of byte strings; a copy is a snapshot and costs one pointer.
//
// Holds the memory engine's meta rows and lease attachments, which a pinned snapshot must show
// unchanged while the engine goes on. A treap with path copying: a write copies O(log n) nodes.
#ifndef METASTORE_ENGINE_TABLES_ROW_TREE_H_
#define METASTORE_ENGINE_TABLES_ROW_TREE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ref.h"
#include "engine/engine.h"

namespace metastore {

/// Copies share nodes, which never change. One thread writes to one copy; copies may be read and
/// dropped on any thread.
class RowTree {
 public:
  void Put(std::string_view key, std::string_view value);
  /// False when the key is absent.
  bool Erase(std::string_view key);
  /// Null when absent; valid as long as this copy is not written to or dropped.
  const std::string* Find(std::string_view key) const;
  /// Visits the rows whose key begins with `prefix` in byte order. False when the visitor stopped.
  bool Scan(std::string_view prefix, RowVisitor visit) const;
  size_t size() const { return size_; }

 private:
  struct Row final : RefCounted<Row> {
    std::string key;
    std::string value;
    uint64_t priority = 0;
  };
  struct Node;
  using RowRef = Ref<const Row>;
  using NodeRef = Ref<const Node>;
  struct Node final : RefCounted<Node> {
    RowRef row;
    NodeRef left;
    NodeRef right;
  };

  static NodeRef Insert(const NodeRef& node, RowRef row, bool* added);
  static NodeRef Without(const NodeRef& node, std::string_view key);
  static NodeRef Join(const NodeRef& left, const NodeRef& right);
  static NodeRef Make(RowRef row, NodeRef left, NodeRef right);
  static bool Visit(const Node* node, std::string_view prefix, RowVisitor visit);

  NodeRef root_;
  size_t size_ = 0;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_ROW_TREE_H_
