// Deadlines: the streams of a session that have one, the earliest first.
//
// A binary heap that knows where each stream stands, so that the many calls that end in time cost
// a removal and leave nothing behind.
#ifndef METASTORE_PLANE_HTTP2_PARTS_DEADLINES_H_
#define METASTORE_PLANE_HTTP2_PARTS_DEADLINES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace metastore::plane {

/// `T` has the fields deadline_ns and deadline_at; the latter is kNone while it is not in here.
template <typename T>
class Deadlines {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  void Add(T* item) {
    heap_.push_back(item);
    Up(heap_.size() - 1, item);
  }

  void Remove(T* item) {
    const size_t at = item->deadline_at;
    if (at == kNone) return;
    item->deadline_at = kNone;
    T* last = heap_.back();
    heap_.pop_back();
    if (last == item) return;
    if (at > 0 && last->deadline_ns < heap_[(at - 1) / 2]->deadline_ns) {
      Up(at, last);
    } else {
      Down(at, last);
    }
  }

  /// Null when there is none.
  T* earliest() const { return heap_.empty() ? nullptr : heap_.front(); }
  int64_t next_ns() const { return heap_.empty() ? INT64_MAX : heap_.front()->deadline_ns; }

 private:
  void Put(size_t at, T* item) {
    heap_[at] = item;
    item->deadline_at = at;
  }

  void Up(size_t at, T* item) {
    while (at > 0 && item->deadline_ns < heap_[(at - 1) / 2]->deadline_ns) {
      Put(at, heap_[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
    Put(at, item);
  }

  void Down(size_t at, T* item) {
    while (true) {
      size_t child = 2 * at + 1;
      if (child >= heap_.size()) break;
      const bool has_right = child + 1 < heap_.size();
      if (has_right && heap_[child + 1]->deadline_ns < heap_[child]->deadline_ns) ++child;
      if (heap_[child]->deadline_ns >= item->deadline_ns) break;
      Put(at, heap_[child]);
      at = child;
    }
    Put(at, item);
  }

  std::vector<T*> heap_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_DEADLINES_H_
