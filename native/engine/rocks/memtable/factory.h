// The memtable of the family `key`: RocksDB's interface over chains.h.
//
// RocksDB creates one for each write buffer of a family whose options name the factory. It inserts
// with one thread at a time, since concurrent inserts are off, and reads on any.
#ifndef METASTORE_ENGINE_ROCKS_MEMTABLE_FACTORY_H_
#define METASTORE_ENGINE_ROCKS_MEMTABLE_FACTORY_H_

#include <rocksdb/memtablerep.h>

namespace metastore::rocks {

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
};

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_MEMTABLE_FACTORY_H_
