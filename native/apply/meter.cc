// The measures of meter.h.
#include "apply/meter.h"

#include <protozero/pbf_reader.hpp>

namespace metastore::apply {
namespace {

constexpr int64_t kNotCounted = -1;
constexpr protozero::pbf_tag_type kRangeResponseKvs = 2;

ApplyOp OpOf(uint32_t field) {
  switch (field) {
    case intake::kFieldPut:
      return ApplyOp::kPut;
    case intake::kFieldDeleteRange:
      return ApplyOp::kDeleteRange;
    case intake::kFieldTxn:
      return ApplyOp::kTxn;
    case intake::kFieldCompaction:
      return ApplyOp::kCompaction;
    case intake::kFieldLeaseGrant:
      return ApplyOp::kLeaseGrant;
    case intake::kFieldLeaseRevoke:
      return ApplyOp::kLeaseRevoke;
    case intake::kFieldLeaseCheckpoint:
      return ApplyOp::kLeaseCheckpoint;
    default:
      return ApplyOp::kAlarm;
  }
}

/// Rows in a range's reply, which is our own; only looked at when it was slow.
int64_t CountRows(std::string_view reply) {
  protozero::pbf_reader reader(reply.data(), reply.size());
  int64_t rows = 0;
  while (reader.next()) {
    if (reader.tag() == kRangeResponseKvs) ++rows;
    reader.skip();
  }
  return rows;
}

}  // namespace

bool Meter::IsSlow(double seconds) const {
  if (seconds <= options_.slow_seconds) return false;
  options_.metrics->slow_applies.Add();
  return true;
}

void Meter::Applied(const intake::RaftRequest& request, Code code, uint64_t reply_bytes,
                    double seconds, CompletionBatch* batch) const {
  // Whoever compacts what is compacted already has got what was asked for.
  const bool success = code == Code::kOk || code == Code::kCompacted;
  options_.metrics->Applied(OpOf(request.field), success, seconds);
  if (request.field == intake::kFieldCompaction && code == Code::kOk) {
    options_.metrics->compaction_begin_ms.Observe(seconds * 1000);
  }
  const bool slow = IsSlow(seconds);
  if (success && !slow) [[likely]]
    return;
  const Measured measured{seconds, code, reply_bytes, kNotCounted, request.message};
  if (slow) batch->Slow(SlowKind::kEntry, measured);
  if (!success) batch->Slow(SlowKind::kFailedEntry, measured);
}

void Meter::Served(bool transaction, std::string_view request, Code code, std::string_view reply,
                   double seconds, CompletionBatch* batch) const {
  if (!transaction) options_.metrics->Ranged(code == Code::kOk, seconds);
  if (!IsSlow(seconds)) [[likely]]
    return;
  const int64_t rows = transaction ? kNotCounted : CountRows(reply);
  batch->Slow(transaction ? SlowKind::kTxn : SlowKind::kRange,
              {seconds, code, reply.size(), rows, request});
}

}  // namespace metastore::apply
