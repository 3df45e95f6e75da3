// StreamCounts: what is counted of the streams that the plane serves by itself.
//
// One for each method. Added to on the lanes; a scrape reads it and adds it to what TypeScript has
// counted of the same methods, so it counts as src/api/metrics/calls.ts does.
#ifndef METASTORE_PLANE_STREAMS_COUNTS_H_
#define METASTORE_PLANE_STREAMS_COUNTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/metrics.h"

namespace metastore::plane {

class StreamCounts {
 public:
  StreamCounts() : seconds_(kSeconds) {}

  void Started() { started_.Add(); }
  /// A message, or the end of them.
  void Received(uint64_t bytes) {
    received_.Add();
    received_bytes_.Add(bytes);
  }
  void Sent(uint64_t messages, uint64_t bytes) {
    sent_.Add(messages);
    sent_bytes_.Add(bytes);
  }
  void Handled(int grpc_code, double seconds) {
    const auto code = static_cast<size_t>(grpc_code);
    METASTORE_CHECK(code < kGrpcCodes, "a status of gRPC");
    handled_[code].Add();
    seconds_.Observe(seconds);
  }

  /// Numbers of one method: started, received, sent, received bytes, sent bytes, handled by status,
  /// then the times' buckets, each alone, and their sum.
  void Append(std::vector<double>* out) const {
    const auto add = [out](uint64_t value) { out->push_back(static_cast<double>(value)); };
    for (const Counter* counter : {&started_, &received_, &sent_, &received_bytes_, &sent_bytes_}) {
      add(counter->Get());
    }
    for (const Counter& counter : handled_) add(counter.Get());
    for (size_t bucket = 0; bucket <= kSeconds.size(); ++bucket) add(seconds_.count(bucket));
    out->push_back(seconds_.sum());
  }

 private:
  static constexpr size_t kGrpcCodes = 17;
  /// Those of grpc_server_handling_seconds.
  inline static const Bounds kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

  Counter started_;
  Counter received_;
  Counter sent_;
  Counter received_bytes_;
  Counter sent_bytes_;
  std::array<Counter, kGrpcCodes> handled_;
  Histogram seconds_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_STREAMS_COUNTS_H_
