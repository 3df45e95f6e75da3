// Lists of free blocks by size for memory.h.
#include "plane/http2/parts/memory.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace metastore::plane {
namespace {

/// Sizes are rounded up to these steps; larger blocks are malloc's.
constexpr size_t kStepBytes = 32;
constexpr size_t kClasses = 32;
/// Blocks of one size that are kept.
constexpr size_t kMostKept = 2048;

/// In front of each block, and as large as malloc's alignment.
struct alignas(alignof(std::max_align_t)) Header {
  size_t capacity = 0;
};

struct FreeBlock {
  FreeBlock* next = nullptr;
};

class BlockLists {
 public:
  ~BlockLists() {
    for (List& list : lists_) {
      while (list.first != nullptr) {
        FreeBlock* block = list.first;
        list.first = block->next;
        std::free(HeaderOf(block));
      }
    }
  }

  void* Allocate(size_t size) {
    const size_t index = ClassOf(size);
    if (index < kClasses && lists_[index].first != nullptr) {
      List& list = lists_[index];
      FreeBlock* block = list.first;
      list.first = block->next;
      --list.count;
      return block;
    }
    const size_t capacity = index < kClasses ? (index + 1) * kStepBytes : size;
    if (capacity > SIZE_MAX - sizeof(Header)) return nullptr;
    auto* header = static_cast<Header*>(std::malloc(sizeof(Header) + capacity));
    if (header == nullptr) return nullptr;
    header->capacity = capacity;
    return header + 1;
  }

  void Free(void* pointer) {
    if (pointer == nullptr) return;
    Header* header = HeaderOf(pointer);
    const size_t index = ClassOf(header->capacity);
    if (index >= kClasses || lists_[index].count >= kMostKept) return std::free(header);
    List& list = lists_[index];
    auto* block = static_cast<FreeBlock*>(pointer);
    block->next = list.first;
    list.first = block;
    ++list.count;
  }

  void* Resize(void* pointer, size_t size) {
    if (pointer == nullptr) return Allocate(size);
    const size_t capacity = HeaderOf(pointer)->capacity;
    if (size <= capacity) return pointer;
    void* larger = Allocate(size);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger, pointer, capacity);
    Free(pointer);
    return larger;
  }

 private:
  struct List {
    FreeBlock* first = nullptr;
    size_t count = 0;
  };

  static size_t ClassOf(size_t size) { return size == 0 ? 0 : (size - 1) / kStepBytes; }
  static Header* HeaderOf(void* pointer) { return static_cast<Header*>(pointer) - 1; }

  std::array<List, kClasses> lists_;
};

BlockLists* Lists(void* lists) { return static_cast<BlockLists*>(lists); }

[[maybe_unused]] nghttp2_mem* PooledMemory() {
  static thread_local BlockLists lists;
  static thread_local nghttp2_mem memory = {
      &lists, [](size_t size, void* own) { return Lists(own)->Allocate(size); },
      [](void* pointer, void* own) { Lists(own)->Free(pointer); },
      [](size_t count, size_t size, void* own) -> void* {
        if (size != 0 && count > SIZE_MAX / size) return nullptr;
        void* pointer = Lists(own)->Allocate(count * size);
        if (pointer != nullptr) std::memset(pointer, 0, count * size);
        return pointer;
      },
      [](void* pointer, size_t size, void* own) { return Lists(own)->Resize(pointer, size); }};
  return &memory;
}

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define METASTORE_PLAIN_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define METASTORE_PLAIN_MEMORY 1
#endif

nghttp2_mem* SessionMemory() {
#ifdef METASTORE_PLAIN_MEMORY
  return nullptr;
#else
  return PooledMemory();
#endif
}

}  // namespace metastore::plane
