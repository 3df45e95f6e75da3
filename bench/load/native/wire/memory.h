// SessionMemory: small blocks for one nghttp2 session, from lists of free ones instead of the heap.
//
// nghttp2 takes and gives back about ten blocks for each call; from the heap they were a fifth of
// the generator's CPU time. Blocks up to 512 bytes are kept for the session's life, larger ones are
// the heap's. Single-threaded, as the session is.
#ifndef METASTORE_LOAD_WIRE_MEMORY_H_
#define METASTORE_LOAD_WIRE_MEMORY_H_

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace metastore::load {

class SessionMemory {
 public:
  SessionMemory()
      : table_{
            this, [](size_t size, void* self) { return Self(self)->Take(size); },
            [](void* block, void* self) { Self(self)->Give(block); },
            [](size_t count, size_t size, void* self) { return Self(self)->Zeroed(count, size); },
            [](void* block, size_t size, void* self) { return Self(self)->Resize(block, size); }} {}
  SessionMemory(const SessionMemory&) = delete;
  SessionMemory& operator=(const SessionMemory&) = delete;

  nghttp2_mem* table() { return &table_; }

 private:
  static constexpr size_t kStep = 32;
  static constexpr size_t kClasses = 17;  // the last one is the heap's
  static constexpr size_t kChunkBlocks = 64;

  /// Before each block; as large as the strictest alignment asks for.
  struct alignas(std::max_align_t) Head {
    size_t block_class;
    size_t size;
  };
  struct Free {
    Free* next;
  };

  static SessionMemory* Self(void* self) { return static_cast<SessionMemory*>(self); }
  static Head* HeadOf(void* block) { return static_cast<Head*>(block) - 1; }

  void* Take(size_t size) {
    const size_t block_class = size == 0 ? 0 : (size - 1) / kStep;
    if (block_class >= kClasses - 1) {
      auto* head = static_cast<Head*>(std::malloc(sizeof(Head) + size));
      if (head == nullptr) return nullptr;
      *head = {kClasses - 1, size};
      return head + 1;
    }
    if (free_[block_class] == nullptr) Refill(block_class);
    Free* block = free_[block_class];
    free_[block_class] = block->next;
    return block;
  }

  void Refill(size_t block_class) {
    const size_t size = sizeof(Head) + (block_class + 1) * kStep;
    const size_t heads = size / sizeof(Head);
    chunks_.push_back(std::make_unique<Head[]>(heads * kChunkBlocks));
    for (size_t at = 0; at < kChunkBlocks; at++) {
      Head* head = chunks_.back().get() + at * heads;
      *head = {block_class, (block_class + 1) * kStep};
      auto* block = reinterpret_cast<Free*>(head + 1);
      block->next = free_[block_class];
      free_[block_class] = block;
    }
  }

  void Give(void* block) {
    if (block == nullptr) return;
    Head* head = HeadOf(block);
    if (head->block_class == kClasses - 1) return std::free(head);
    auto* freed = static_cast<Free*>(block);
    freed->next = free_[head->block_class];
    free_[head->block_class] = freed;
  }

  void* Zeroed(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) return nullptr;
    void* block = Take(count * size);
    if (block != nullptr) std::memset(block, 0, count * size);
    return block;
  }

  void* Resize(void* block, size_t size) {
    if (block == nullptr) return Take(size);
    if (size <= HeadOf(block)->size) return block;
    void* larger = Take(size);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger, block, HeadOf(block)->size);
    Give(block);
    return larger;
  }

  nghttp2_mem table_;
  std::array<Free*, kClasses - 1> free_ = {};
  std::vector<std::unique_ptr<Head[]>> chunks_;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_MEMORY_H_
