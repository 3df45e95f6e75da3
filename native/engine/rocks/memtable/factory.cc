// A memtable and its iterators over chains; see factory.h.
#include "engine/rocks/memtable/factory.h"

#include <rocksdb/slice.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <utility>

#include "base/check.h"
#include "engine/rocks/memtable/chains.h"

namespace metastore::rocks {
namespace {

using Rep = rocksdb::MemTableRep;

std::string_view ViewOfSlice(const rocksdb::Slice& slice) {
  return std::string_view(slice.data(), slice.size());
}

/// Some of RocksDB's iterators live in an arena of its own that nobody else can allocate from;
/// their destructor is called, and their memory is not freed. So an iterator here brings its memory
/// itself, which its first base lets go of when all else of it has been destroyed.
class OwnMemory {
 protected:
  OwnMemory() = default;
  ~OwnMemory() { ::operator delete(memory_); }
  OwnMemory(const OwnMemory&) = delete;
  OwnMemory& operator=(const OwnMemory&) = delete;

  template <typename T>
  static T* Make(const Chains& chains) {
    void* memory = ::operator new(sizeof(T));
    T* made = new (memory) T(chains);
    static_cast<OwnMemory*>(made)->memory_ = memory;
    return made;
  }

 private:
  void* memory_ = nullptr;
};

/// For point reads: after Seek, the rows of that user key and no others. RocksDB's own point read
/// makes one, uses it and forgets it without freeing it, so each thread has memory for one, which
/// the next read takes over.
class RowsOfKey final : public Rep::Iterator {
 public:
  static RowsOfKey* On(const Chains& chains) {
    alignas(RowsOfKey) static thread_local char memory[sizeof(RowsOfKey)];
    return new (memory) RowsOfKey(chains);
  }
  static void* operator new(size_t /*size*/, void* memory) { return memory; }
  static void operator delete(void* /*memory*/) {}

  bool Valid() const override { return row_ != nullptr; }
  const char* key() const override { return row_->bytes(); }
  void Next() override { row_ = row_->older; }
  void Seek(const rocksdb::Slice& internal_key, const char* /*memtable_key*/) override {
    const std::string_view internal = ViewOfSlice(internal_key);
    row_ = chains_.Find(UserKeyOf(internal), TagOf(internal));
  }
  // RocksDB asks such an iterator for one key's rows only.
  void Prev() override { METASTORE_CHECK(false, "a point read goes forward"); }
  void SeekForPrev(const rocksdb::Slice& /*internal_key*/, const char* /*key*/) override {
    METASTORE_CHECK(false, "a point read goes forward");
  }
  void SeekToFirst() override { METASTORE_CHECK(false, "a point read names its key"); }
  void SeekToLast() override { METASTORE_CHECK(false, "a point read names its key"); }

 private:
  explicit RowsOfKey(const Chains& chains) : chains_(chains) {}

  const Chains& chains_;
  const ChainRow* row_ = nullptr;
};

/// All rows in the order of internal keys. What is inserted meanwhile may or may not be seen: it is
/// newer than whatever its reader wants.
class AllRows final : private OwnMemory, public Rep::Iterator {
 public:
  static AllRows* On(const Chains& chains) { return Make<AllRows>(chains); }
  // ~OwnMemory has done it, whether the object was deleted or only destroyed.
  static void operator delete(void* /*memory*/) {}

  bool Valid() const override { return row_ != nullptr; }
  const char* key() const override { return row_->bytes(); }

  void Next() override {
    row_ = row_->older;
    if (row_ != nullptr) return;
    if (++at_ >= filled_) {
      filled_ = chains_.Following(ahead_[at_ - 1]->key(), Room());
      at_ = 0;
    }
    if (at_ < filled_) row_ = ahead_[at_]->newest();
  }

  void Prev() override {
    const Chain* chain = ahead_[at_];
    const ChainRow* newer = chain->NewerThan(row_);
    if (newer != nullptr) {
      row_ = newer;
    } else {
      StandAtOldest(chains_.Before(chain->key()));
    }
  }

  void Seek(const rocksdb::Slice& internal_key, const char* /*memtable_key*/) override {
    const std::string_view internal = ViewOfSlice(internal_key);
    room_ = kFirstRoom;
    at_ = 0;
    row_ = chains_.Seek(UserKeyOf(internal), TagOf(internal), Room(), &filled_);
  }

  void SeekForPrev(const rocksdb::Slice& internal_key, const char* /*memtable_key*/) override {
    const std::string_view internal = ViewOfSlice(internal_key);
    const uint64_t tag = TagOf(internal);
    const Chain* chain = chains_.At(UserKeyOf(internal));
    // Larger tags come first: the last row at or before the one that is named.
    const ChainRow* before = nullptr;
    if (chain != nullptr) {
      for (const ChainRow* row = chain->newest(); row != nullptr && row->tag >= tag;
           row = row->older) {
        before = row;
      }
    }
    if (before == nullptr) {
      StandAtOldest(chains_.Before(UserKeyOf(internal)));
    } else {
      Stand(chain, before);
    }
  }

  void SeekToFirst() override {
    room_ = kFirstRoom;
    at_ = 0;
    row_ = chains_.Seek(std::string_view(), UINT64_MAX, Room(), &filled_);
  }

  void SeekToLast() override { StandAtOldest(chains_.Last()); }

 private:
  friend class OwnMemory;
  explicit AllRows(const Chains& chains) : chains_(chains) {}

  /// Room for the chains to come: few at first, as most ranges are short.
  std::span<const Chain*> Room() {
    const size_t now = room_;
    room_ = std::min(room_ * 4, ahead_.size());
    return std::span(ahead_).first(now);
  }

  void Stand(const Chain* chain, const ChainRow* row) {
    ahead_[0] = chain;
    at_ = 0;
    filled_ = 1;
    row_ = row;
  }
  void StandAtOldest(const Chain* chain) {
    if (chain == nullptr) {
      row_ = nullptr;
    } else {
      Stand(chain, chain->oldest());
    }
  }

  static constexpr size_t kFirstRoom = 8;

  const Chains& chains_;
  std::array<const Chain*, 128> ahead_;  // ascending; ahead_[at_] is the row's
  size_t filled_ = 0;
  size_t at_ = 0;
  size_t room_ = kFirstRoom;
  const ChainRow* row_ = nullptr;
};

class ChainsRep final : public Rep {
 public:
  ChainsRep(rocksdb::Allocator* allocator, std::shared_ptr<Chains> chains)
      : Rep(allocator), owner_(std::move(chains)), chains_(*owner_) {}

  rocksdb::KeyHandle Allocate(const size_t length, char** buffer) override {
    constexpr size_t kAlignment = alignof(ChainRow);
    char* memory = nullptr;
    Rep::Allocate(sizeof(ChainRow) + kAlignment - 1 + length, &memory);
    const size_t beyond = reinterpret_cast<uintptr_t>(memory) % kAlignment;
    if (beyond != 0) memory += kAlignment - beyond;
    auto* row = new (memory) ChainRow();
    *buffer = memory + sizeof(ChainRow);
    return row;
  }
  void Insert(rocksdb::KeyHandle handle) override {
    chains_.Insert(static_cast<ChainRow*>(handle));
  }

  bool Contains(const char* key) const override {
    const std::string_view internal = InternalKeyOf(key);
    const ChainRow* row = chains_.Find(UserKeyOf(internal), TagOf(internal));
    return row != nullptr && row->tag == TagOf(internal);
  }
  size_t ApproximateMemoryUsage() override { return chains_.bytes(); }
  Iterator* GetIterator(rocksdb::Arena* /*arena*/) override { return AllRows::On(chains_); }
  Iterator* GetDynamicPrefixIterator(rocksdb::Arena* /*arena*/) override {
    return RowsOfKey::On(chains_);
  }

 private:
  const std::shared_ptr<Chains> owner_;
  Chains& chains_;
};

}  // namespace

rocksdb::MemTableRep* ChainsFactory::CreateMemTableRep(
    const rocksdb::MemTableRep::KeyComparator& /*compare*/, rocksdb::Allocator* allocator,
    const rocksdb::SliceTransform* /*transform*/, rocksdb::Logger* /*logger*/) {
  auto chains = std::make_shared<Chains>();
  {
    const std::lock_guard guard(mutex_);
    newest_ = chains;
  }
  return new ChainsRep(allocator, std::move(chains));
}

std::shared_ptr<const Chains> ChainsFactory::Newest() const {
  const std::lock_guard guard(mutex_);
  return newest_;
}

}  // namespace metastore::rocks
