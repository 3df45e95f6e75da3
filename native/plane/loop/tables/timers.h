// Timers: when connections want to be looked at, the earliest first. A binary heap whose members
// know their places, so that a change costs a few swaps and nothing is ever searched.
#ifndef METASTORE_PLANE_LOOP_TABLES_TIMERS_H_
#define METASTORE_PLANE_LOOP_TABLES_TIMERS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace metastore::plane {

/// Base of what waits in Timers; in at most one of them.
class Timed {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  int64_t due_ns() const { return due_ns_; }

 private:
  friend class Timers;
  static constexpr size_t kNowhere = static_cast<size_t>(-1);
  int64_t due_ns_ = kNever;
  size_t place_ = kNowhere;
};

class Timers {
 public:
  /// Adds it, or changes its time; kNever takes it out.
  void Set(Timed* timed, int64_t due_ns) {
    if (due_ns == Timed::kNever) return Remove(timed);
    timed->due_ns_ = due_ns;
    if (timed->place_ == Timed::kNowhere) {
      timed->place_ = heap_.size();
      heap_.push_back(timed);
    }
    Down(Up(timed->place_));
  }

  void Remove(Timed* timed) {
    timed->due_ns_ = Timed::kNever;
    if (timed->place_ == Timed::kNowhere) return;
    const size_t place = std::exchange(timed->place_, Timed::kNowhere);
    Timed* last = heap_.back();
    heap_.pop_back();
    if (last == timed) return;
    Move(last, place);
    Down(Up(place));
  }

  /// The earliest; null when there is none.
  Timed* First() const { return heap_.empty() ? nullptr : heap_.front(); }
  size_t size() const { return heap_.size(); }

 private:
  void Move(Timed* timed, size_t place) {
    heap_[place] = timed;
    timed->place_ = place;
  }

  size_t Up(size_t place) {
    Timed* timed = heap_[place];
    while (place > 0 && heap_[(place - 1) / 2]->due_ns_ > timed->due_ns_) {
      Move(heap_[(place - 1) / 2], place);
      place = (place - 1) / 2;
    }
    Move(timed, place);
    return place;
  }

  void Down(size_t place) {
    Timed* timed = heap_[place];
    for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
      if (child + 1 < heap_.size() && heap_[child + 1]->due_ns_ < heap_[child]->due_ns_) ++child;
      if (heap_[child]->due_ns_ >= timed->due_ns_) break;
      Move(heap_[child], place);
      place = child;
    }
    Move(timed, place);
  }

  std::vector<Timed*> heap_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_TABLES_TIMERS_H_
