// Nodes of the key index, and the search in one node that leaves and inner nodes share. A search
// compares 8-byte numbers in one array; a key's own bytes are read when two of them are equal.
#ifndef METASTORE_ENGINE_TABLES_INDEX_KEY_INDEX_NODE_H_
#define METASTORE_ENGINE_TABLES_INDEX_KEY_INDEX_NODE_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "engine/tables/index/key_index.h"

namespace metastore {

inline size_t CommonPrefix(std::string_view left, std::string_view right) {
  const size_t most = std::min(left.size(), right.size());
  size_t length = 0;
  while (length < most && left[length] == right[length]) ++length;
  return length;
}

/// The 8 bytes behind `prefix`, zeros where the key has ended. If two heads under one shared prefix
/// differ, the keys compare as the heads do; if they are equal, the keys must be compared.
inline uint64_t HeadOf(std::string_view key, size_t prefix) {
  char raw[8] = {};
  if (key.size() > prefix) {
    std::memcpy(raw, key.data() + prefix, std::min<size_t>(8, key.size() - prefix));
  }
  return GetBig64(raw);
}

/// The keys of one node in short form. Invariant: all of the node's keys begin with the first
/// `prefix` bytes of the first one, and head[i] is HeadOf(key i, prefix).
struct NodeKeys {
  static constexpr uint32_t kStemBytes = 48;

  uint32_t count = 0;
  uint32_t prefix = 0;
  /// The shared prefix when it fits, so that a search needs no key's memory for it.
  char stem[kStemBytes];
  uint64_t head[KeyIndex::kFanout];

  template <typename KeyAt>
  std::string_view Shared(KeyAt key_at) const {
    return prefix <= kStemBytes ? std::string_view(stem, prefix) : key_at(0).substr(0, prefix);
  }

  /// Whether position `at` holds `key`.
  template <typename KeyAt>
  bool Holds(uint32_t at, std::string_view key, KeyAt key_at) const {
    return at < count && head[at] == HeadOf(key, prefix) && key_at(at) == key;
  }

  /// First position whose key is not below `key`. `key_at(i)` gives the full key.
  template <typename KeyAt>
  uint32_t LowerBound(std::string_view key, KeyAt key_at) const {
    if (count == 0) return 0;
    if (prefix > 0) {
      const int order = key.substr(0, prefix).compare(Shared(key_at));
      if (order != 0) return order < 0 ? 0 : count;
    }
    const uint64_t wanted = HeadOf(key, prefix);
    uint32_t at = static_cast<uint32_t>(std::lower_bound(head, head + count, wanted) - head);
    uint32_t end = at;
    while (end < count && head[end] == wanted) ++end;
    while (at < end) {
      const uint32_t middle = at + (end - at) / 2;
      if (key_at(middle) < key) {
        at = middle + 1;
      } else {
        end = middle;
      }
    }
    return at;
  }

  /// Recomputes everything for `keys` keys, which ascend.
  template <typename KeyAt>
  void Rebuild(uint32_t keys, KeyAt key_at) {
    count = keys;
    if (count > 0) SetPrefix(CommonPrefix(key_at(0), key_at(count - 1)), key_at(0), key_at);
  }

  /// Makes room for `key` at `at`. To be called before the key itself is put in its place, while
  /// key_at still gives the old order.
  template <typename KeyAt>
  void Insert(uint32_t at, std::string_view key, KeyAt key_at) {
    const size_t shared = count == 0 ? key.size() : CommonPrefix(key, Shared(key_at));
    if (count == 0 || shared < prefix) SetPrefix(shared, key, key_at);
    std::copy_backward(head + at, head + count, head + count + 1);
    head[at] = HeadOf(key, prefix);
    ++count;
  }

  /// Forgets position `at`; the prefix that is left may be shorter than it could be.
  void Remove(uint32_t at) {
    std::copy(head + at + 1, head + count, head + at);
    --count;
  }

 private:
  template <typename KeyAt>
  void SetPrefix(size_t bytes, std::string_view key, KeyAt key_at) {
    prefix = static_cast<uint32_t>(bytes);
    std::memcpy(stem, key.data(), std::min<size_t>(bytes, kStemBytes));
    for (uint32_t i = 0; i < count; ++i) head[i] = HeadOf(key_at(i), prefix);
  }
};

struct KeyIndexLeaf {
  NodeKeys keys;
  KeyIndexLeaf* previous = nullptr;
  KeyIndexLeaf* next = nullptr;
  IndexedKey* entries[KeyIndex::kFanout];

  auto KeyAt() const {
    return [this](uint32_t i) { return entries[i]->key(); };
  }
};

/// children[i] holds the keys k with separators[i - 1] <= k < separators[i]; keys.count separators
/// and one child more.
struct KeyIndexInner {
  NodeKeys keys;
  std::string separators[KeyIndex::kFanout];
  void* children[KeyIndex::kFanout + 1];

  auto KeyAt() const {
    return [this](uint32_t i) { return std::string_view(separators[i]); };
  }
  uint32_t ChildOf(std::string_view key) const {
    const uint32_t at = keys.LowerBound(key, KeyAt());
    return keys.Holds(at, key, KeyAt()) ? at + 1 : at;
  }
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_INDEX_KEY_INDEX_NODE_H_
