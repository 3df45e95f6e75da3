// IndexedKey: what the ordered index (key_index.h) knows of its entries, which is their key.
//
// The memory engine's entries (engine/memory/key_table.h) and the rows of RocksDB's memtables
// (engine/rocks/memtable) begin with one.
#ifndef METASTORE_ENGINE_TABLES_INDEX_INDEXED_KEY_H_
#define METASTORE_ENGINE_TABLES_INDEX_INDEXED_KEY_H_

#include <cstdint>
#include <string_view>

namespace metastore {

/// The key's bytes lie in the same allocation, behind whatever else belongs to the entry.
class IndexedKey {
 public:
  std::string_view key() const {
    return std::string_view(reinterpret_cast<const char*>(this) + key_offset_, key_bytes_);
  }

 protected:
  /// `key_offset`: from this object to the key's first byte.
  IndexedKey(uint32_t key_bytes, uint32_t key_offset)
      : key_bytes_(key_bytes), key_offset_(key_offset) {}
  ~IndexedKey() = default;

  uint32_t key_bytes() const { return key_bytes_; }

 private:
  uint32_t key_bytes_;
  uint32_t key_offset_;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_INDEX_INDEXED_KEY_H_
