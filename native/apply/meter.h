// Meter: times of requests, and the word about slow or failed ones.
//
// Used by apply for entries and by the read executors for reads. A request that took longer than
// the threshold, or an entry that failed, leaves a record for TypeScript, which writes the log.
#ifndef METASTORE_APPLY_METER_H_
#define METASTORE_APPLY_METER_H_

#include <cstdint>
#include <string_view>

#include "apply/completions.h"
#include "base/metrics.h"
#include "base/status.h"
#include "intake/raft_request.h"

namespace metastore::apply {

struct MeterOptions {
  Metrics* metrics = Metrics::Unread();
  /// Requests that take longer are told of.
  double slow_seconds = 0.1;
};

class Meter {
 public:
  explicit Meter(const MeterOptions& options) : options_(options) {}

  /// An entry of a native field has been carried out.
  void Applied(const intake::RaftRequest& request, Code code, uint64_t reply_bytes, double seconds,
               CompletionBatch* batch) const;
  /// A range or a read-only transaction has been served; `reply` is empty unless the code is kOk.
  void Served(bool transaction, std::string_view request, Code code, std::string_view reply,
              double seconds, CompletionBatch* batch) const;

  Metrics& metrics() const { return *options_.metrics; }

 private:
  bool IsSlow(double seconds) const;

  const MeterOptions options_;
};

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_METER_H_
