// Insertion and search; see chains.h.
#include "engine/rocks/memtable/chains.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"

namespace metastore::rocks {
namespace {

constexpr size_t kTagBytes = 8;
constexpr size_t kBlockBytes = 64 << 10;
/// Slots of the hash table and of the index's nodes, which are about half full.
constexpr size_t kSlotsPerKey = 72;

}  // namespace

std::string_view UserKeyOf(std::string_view internal_key) {
  METASTORE_CHECK(internal_key.size() >= kTagBytes, "an internal key ends with a tag");
  return internal_key.substr(0, internal_key.size() - kTagBytes);
}

uint64_t TagOf(std::string_view internal_key) {
  METASTORE_CHECK(internal_key.size() >= kTagBytes, "an internal key ends with a tag");
  return GetLittle64(internal_key.data() + internal_key.size() - kTagBytes);
}

std::string_view InternalKeyOf(const char* bytes) {
  uint32_t length = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const auto byte = static_cast<uint8_t>(*bytes++);
    length |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return std::string_view(bytes, length);
  }
  METASTORE_CHECK(false, "a length takes at most five bytes");
}

const ChainRow* Chain::oldest() const {
  const ChainRow* row = newest();
  while (row->older != nullptr) row = row->older;
  return row;
}

const ChainRow* Chain::NewerThan(const ChainRow* row) const {
  const ChainRow* newer = nullptr;
  for (const ChainRow* at = newest(); at != row; at = at->older) newer = at;
  return newer;
}

Chains::Chains() = default;
Chains::~Chains() = default;

Chain* Chains::MakeChain(std::string_view key) {
  const size_t alignment = alignof(Chain);
  const size_t size = (sizeof(Chain) + key.size() + alignment - 1) / alignment * alignment;
  if (size > block_left_) {
    // The rest of a block is given up; a key that takes most of one has a block of its own.
    const size_t block = std::max(kBlockBytes, size);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
    block_left_ = block;
    bytes_.fetch_add(block, std::memory_order_relaxed);
  }
  char* memory = blocks_.back().get() + (std::max(kBlockBytes, size) - block_left_);
  block_left_ -= size;
  auto* chain = new (memory) Chain(static_cast<uint32_t>(key.size()));
  if (!key.empty()) std::memcpy(memory + sizeof(Chain), key.data(), key.size());
  bytes_.fetch_add(kSlotsPerKey, std::memory_order_relaxed);
  return chain;
}

Chain* Chains::Lookup(std::string_view key) const {
  return by_key_.Find(HashBytes(key), [&](const Chain& at) { return at.key() == key; });
}

void Chains::Insert(ChainRow* row) {
  const std::string_view internal = InternalKeyOf(row->bytes());
  const std::string_view key = UserKeyOf(internal);
  row->tag = TagOf(internal);
  Chain* chain = Lookup(key);
  if (chain == nullptr) {
    chain = MakeChain(key);
    chain->rows_ = 1;
    chain->newest_tag_ = row->tag;
    chain->newest_.store(row, std::memory_order_release);
    const std::unique_lock guard(lock_);
    by_key_.Insert(HashBytes(key), chain);
    index_.Insert(chain);
    return;
  }
  METASTORE_CHECK(chain->newest_tag_ < row->tag, "rows of a key come in order");
  chain->newest_tag_ = row->tag;
  row->older = chain->newest_.load(std::memory_order_relaxed);
  if (++chain->rows_ % kMarked == 0) {
    const std::unique_lock guard(lock_);
    if (chain->marks_ == nullptr) chain->marks_ = &marks_.emplace_back();
    chain->marks_->push_back(row);
    bytes_.fetch_add(sizeof row, std::memory_order_relaxed);
  }
  chain->newest_.store(row, std::memory_order_release);
}

/// Under lock_.
const ChainRow* Chains::RowAt(const Chain& chain, uint64_t tag) {
  const ChainRow* row = chain.newest();
  if (row->tag <= tag) return row;
  if (chain.marks_ != nullptr) {
    // Marks ascend in tags: the first above `tag` is where the walk begins.
    const auto mark =
        std::upper_bound(chain.marks_->begin(), chain.marks_->end(), tag,
                         [](uint64_t wanted, const ChainRow* at) { return wanted < at->tag; });
    if (mark != chain.marks_->end()) row = *mark;
  }
  while (row != nullptr && row->tag > tag) row = row->older;
  return row;
}

/// Under lock_.
size_t Chains::Copy(KeyIndex::Cursor from, std::span<const Chain*> to) {
  size_t filled = 0;
  for (; filled < to.size() && from.Valid(); from.Next()) {
    to[filled++] = static_cast<const Chain*>(from.entry());
  }
  return filled;
}

const ChainRow* Chains::Find(std::string_view key, uint64_t tag) const {
  const std::shared_lock guard(lock_);
  const Chain* chain = Lookup(key);
  return chain == nullptr ? nullptr : RowAt(*chain, tag);
}

const ChainRow* Chains::Seek(std::string_view key, uint64_t tag, std::span<const Chain*> more,
                             size_t* filled) const {
  METASTORE_CHECK(more.size() > 1, "there is room for the chain and one behind it");
  const std::shared_lock guard(lock_);
  *filled = Copy(index_.LowerBound(key), more);
  if (*filled == 0) return nullptr;
  if (more[0]->key() != key) return more[0]->newest();
  const ChainRow* row = RowAt(*more[0], tag);
  if (row != nullptr) return row;
  // All rows of the key are newer than what is asked for.
  *filled -= 1;
  std::copy(more.begin() + 1, more.begin() + 1 + static_cast<ptrdiff_t>(*filled), more.begin());
  return *filled == 0 ? nullptr : more[0]->newest();
}

size_t Chains::Following(std::string_view key, std::span<const Chain*> more) const {
  const std::shared_lock guard(lock_);
  KeyIndex::Cursor cursor = index_.LowerBound(key);
  if (cursor.Valid() && cursor.entry()->key() == key) cursor.Next();
  return Copy(cursor, more);
}

const Chain* Chains::At(std::string_view key) const {
  const std::shared_lock guard(lock_);
  return Lookup(key);
}

const Chain* Chains::Before(std::string_view key) const {
  const std::shared_lock guard(lock_);
  const KeyIndex::Cursor cursor = index_.LastBelow(key);
  return cursor.Valid() ? static_cast<const Chain*>(cursor.entry()) : nullptr;
}

const Chain* Chains::Last() const {
  const std::shared_lock guard(lock_);
  const KeyIndex::Cursor cursor = index_.Last();
  return cursor.Valid() ? static_cast<const Chain*>(cursor.entry()) : nullptr;
}

}  // namespace metastore::rocks
