// HotCounts: what one lane counts of the calls that it serves by itself, and ClientVersions: which
// versions of the API clients name.
//
// One thread adds, without locked instructions; a scrape reads whenever it comes. TypeScript adds
// the numbers to its own (src/api/metrics), so that calls count the same whoever serves them.
#ifndef METASTORE_PLANE_HOT_COUNTS_H_
#define METASTORE_PLANE_HOT_COUNTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace metastore::plane {

/// A number that one thread adds to and any thread reads.
class Cell {
 public:
  void Add(uint64_t amount = 1) { Set(Get() + amount); }
  void Subtract(uint64_t amount) { Set(Get() - amount); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::atomic<uint64_t> value_{0};
};

/// Times by bucket, over bounds in nanoseconds; a time that equals a bound belongs below it.
template <size_t kBounds>
class TimeCells {
 public:
  void Observe(int64_t ns, const std::array<int64_t, kBounds>& bounds) {
    size_t bucket = 0;
    while (bucket < kBounds && ns > bounds[bucket]) ++bucket;
    counts_[bucket].Add();
    sum_ns_.Add(static_cast<uint64_t>(ns));
  }
  /// The counts, then the sum in seconds.
  void AddTo(double* values) const {
    for (const Cell& count : counts_) *values++ += static_cast<double>(count.Get());
    *values += static_cast<double>(sum_ns_.Get()) / 1e9;
  }
  static constexpr size_t kNumbers = kBounds + 2;

 private:
  std::array<Cell, kBounds + 1> counts_;
  Cell sum_ns_;
};

/// Methods that are served natively. The order is part of the border (src/api/metrics/plane.ts).
enum class HotMethod : uint8_t { kRange, kPut, kDeleteRange, kTxn, kCount };
inline constexpr size_t kHotMethods = static_cast<size_t>(HotMethod::kCount);

/// What the times of requests are kept by; as HotMethod.
enum class HotRequest : uint8_t { kRange, kReadonlyTxn, kPut, kDeleteRange, kTxn, kCount };
inline constexpr size_t kHotRequests = static_cast<size_t>(HotRequest::kCount);

inline constexpr size_t kHandlingBounds = 11;
inline constexpr size_t kRequestBounds = 14;
inline constexpr size_t kGrpcCodes = 17;

struct MethodCounts {
  Cell started;
  Cell received_bytes;
  Cell sent_bytes;
  std::array<Cell, kGrpcCodes> handled;
  TimeCells<kHandlingBounds> seconds;
};

struct HotCounts {
  std::array<MethodCounts, kHotMethods> methods;
  /// Failed, succeeded.
  std::array<std::array<TimeCells<kRequestBounds>, 2>, kHotRequests> requests;
  Cell proposals_failed;
  /// Under way now.
  Cell proposals;
  Cell waiting;

  /// A call has ended, with a reply of so many bytes if it has one.
  void Ended(HotMethod method, int grpc_code, int64_t took_ns, size_t reply_bytes);
  /// A request that was accepted has its result.
  void Answered(HotRequest request, bool is_proposal, Code code, int64_t took_ns);

  static constexpr size_t kNumbers =
      kHotMethods * (3 + kGrpcCodes + TimeCells<kHandlingBounds>::kNumbers) +
      kHotRequests * 2 * TimeCells<kRequestBounds>::kNumbers + 3;
  /// Adds to kNumbers numbers, in the order of the members.
  void AddTo(double* values) const;
};

/// Calls by the version that clients name. One thread counts, any thread reads.
class ClientVersions {
 public:
  struct Count {
    std::string version;
    uint64_t calls = 0;
  };

  /// The place of a version, or of "unknown" for none (null); -1 when it cannot be counted here:
  /// it is no plain ASCII of a decent length, or there are too many.
  int Find(const std::string* version);
  void Add(int place) { slots_[static_cast<size_t>(place)].calls.Add(); }
  void AddTo(std::vector<Count>* counts) const;

 private:
  static constexpr size_t kMost = 32;
  static constexpr size_t kMostBytes = 64;
  struct Slot {
    std::string version;
    Cell calls;
  };

  std::array<Slot, kMost> slots_;
  /// Slots below it have their final text.
  std::atomic<size_t> used_{0};
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HOT_COUNTS_H_
