// CallId: the number of a call of the data plane, and how tickets and watch streams say that they
// belong to one.
//
// Used by whatever routes results and messages; the plane itself (plane/call.h) makes the numbers.
#ifndef METASTORE_BASE_CALL_ID_H_
#define METASTORE_BASE_CALL_ID_H_

#include <cstddef>
#include <cstdint>

namespace metastore::plane {

/// Names a call from any thread: its lane in the low bits, and a count that is never used again.
/// Below 2^53, so that TypeScript can name it too.
using CallId = uint64_t;
inline constexpr int kLaneBits = 3;
inline constexpr size_t kMostLanes = size_t{1} << kLaneBits;
inline constexpr size_t LaneOf(CallId call) { return call & (kMostLanes - 1); }

/// Set in tickets and watch streams that belong to the plane; the call's number is the rest.
inline constexpr uint64_t kPlaneBit = uint64_t{1} << 63;
inline constexpr bool IsOfPlane(uint64_t ticket) { return (ticket & kPlaneBit) != 0; }

}  // namespace metastore::plane

#endif  // METASTORE_BASE_CALL_ID_H_
