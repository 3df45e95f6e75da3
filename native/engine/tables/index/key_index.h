// KeyIndex: keys in byte order, a B+ tree over entries that somebody else owns. The memory engine
// has one over all keys, and each of RocksDB's memtables for newest versions one over its own.
//
// Not locked: the owner holds its reader-writer lock around every call. A node keeps, beside its
// keys, the length of the prefix that they share and the 8 bytes behind it as one number, so that
// a search compares numbers in one array and touches a key's bytes about once a node.
#ifndef METASTORE_ENGINE_TABLES_INDEX_KEY_INDEX_H_
#define METASTORE_ENGINE_TABLES_INDEX_KEY_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/tables/index/indexed_key.h"

namespace metastore {

class KeyIndex {
 public:
  static constexpr uint32_t kFanout = 64;

  KeyIndex();
  ~KeyIndex();
  KeyIndex(const KeyIndex&) = delete;
  KeyIndex& operator=(const KeyIndex&) = delete;

  /// The key must be absent (checked). The entry stays where it is until Erase.
  void Insert(IndexedKey* entry);
  /// The key must be present (checked).
  void Erase(IndexedKey* entry);
  size_t size() const { return size_; }

  /// Keys in ascending order from some key on. Valid until the index changes.
  class Cursor {
   public:
    bool Valid() const { return leaf_ != nullptr; }
    const IndexedKey* entry() const;
    void Next();

   private:
    friend class KeyIndex;
    void SkipEnd();
    const struct KeyIndexLeaf* leaf_ = nullptr;
    uint32_t slot_ = 0;
  };
  Cursor LowerBound(std::string_view key) const;
  /// At the last key below `key`; not valid when there is none.
  Cursor LastBelow(std::string_view key) const;
  /// At the last key of all.
  Cursor Last() const;

  /// Walks the whole tree and checks order, separators, links and counts; for tests.
  void CheckInvariants() const;

 private:
  struct Path;
  /// Walks to the leaf that holds, or would hold, the key.
  KeyIndexLeaf* Descend(std::string_view key, Path* path) const;
  KeyIndexLeaf* SplitLeaf(KeyIndexLeaf* leaf, std::string_view key, Path* path);
  void AddChild(Path* path, std::string separator, void* right);
  void DropChild(Path* path);
  void MergeWithNext(KeyIndexLeaf* leaf, Path* path);

  void* root_;      // a leaf when height_ is 0, otherwise an inner node
  int height_ = 0;  // levels of inner nodes
  size_t size_ = 0;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_INDEX_KEY_INDEX_H_
