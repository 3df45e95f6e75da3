// The memtable of the family `key`: RocksDB's interface over chains.h.
//
// RocksDB creates one for each write buffer of a family whose options name the factory. It inserts
// with one thread at a time, since concurrent inserts are off, and reads on any.
#ifndef METASTORE_ENGINE_ROCKS_MEMTABLE_FACTORY_H_
#define METASTORE_ENGINE_ROCKS_MEMTABLE_FACTORY_H_

#include <rocksdb/memtablerep.h>

#include <memory>
#include <mutex>

namespace metastore::rocks {

class Chains;

/// For families whose keys compare as bytes. A point read, whether it finds something or not, costs
/// one look into a hash table, so such a memtable needs no bloom filter.
class ChainsFactory final : public rocksdb::MemTableRepFactory {
 public:
  using rocksdb::MemTableRepFactory::CreateMemTableRep;
  rocksdb::MemTableRep* CreateMemTableRep(const rocksdb::MemTableRep::KeyComparator& compare,
                                          rocksdb::Allocator* allocator,
                                          const rocksdb::SliceTransform* transform,
                                          rocksdb::Logger* logger) override;
  const char* Name() const override { return "metastore.Chains"; }

  /// What the memtable made last is, or was, made of; null before the first. Its rows' bytes may be
  /// gone already: only for Chains::Prefetch.
  std::shared_ptr<const Chains> Newest() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Chains> newest_;  // guarded by mutex_
};

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_MEMTABLE_FACTORY_H_
