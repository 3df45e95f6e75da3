// Compares; see compare.h.
#include "mvcc/read/compare.h"

namespace metastore::mvcc {
namespace {

enum CompareResult : int32_t { kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3 };
enum CompareTarget : int32_t {
  kVersion = 0,
  kCreate = 1,
  kMod = 2,
  kValue = 3,
  kLease = 4,
};

/// Field numbers of target_union's members, by target.
constexpr int32_t kUnionFieldOf[] = {4, 5, 6, 7, 8};

int64_t StoredNumber(int32_t target, const VersionView& version) {
  switch (target) {
    case kVersion:
      return version.version;
    case kCreate:
      return version.create_revision;
    case kMod:
      return version.rev.main;
    case kLease:
      return version.lease;
    default:
      return 0;  // a target that nobody knows compares 0 with 0
  }
}

bool Known(int32_t target) { return target >= kVersion && target <= kLease; }

int Sign(const codec::Compare& compare, const VersionView& version) {
  // A member of the union that is not the target's counts as zero, or as empty bytes.
  const bool given = Known(compare.target) && compare.union_field == kUnionFieldOf[compare.target];
  if (compare.target == kValue) {
    const std::string_view wanted = given ? compare.value : std::string_view();
    const int sign = version.value.compare(wanted);
    return sign < 0 ? -1 : (sign > 0 ? 1 : 0);
  }
  const int64_t wanted = given ? compare.number : 0;
  const int64_t stored = StoredNumber(compare.target, version);
  return stored < wanted ? -1 : (stored > wanted ? 1 : 0);
}

bool HoldsFor(const codec::Compare& compare, const VersionView& version) {
  const int sign = Sign(compare, version);
  switch (compare.result) {
    case kEqual:
      return sign == 0;
    case kNotEqual:
      return sign != 0;
    case kGreater:
      return sign > 0;
    case kLess:
      return sign < 0;
    default:
      return true;
  }
}

Status Evaluate(const Reader& reader, const codec::Compare& compare, bool* holds) {
  ++reader.tally().ranges;
  bool any = false;
  bool all = true;
  const auto visit = [&](const VersionView& version) {
    any = true;
    all = HoldsFor(compare, version);
    return all;
  };
  const KeySelector selector = {compare.key, compare.range_end};
  const bool keys_only = compare.target != kValue;
  if (keys_only && selector.single()) {
    METASTORE_RETURN_IF_ERROR(reader.GetMeta(selector.key, visit));
  } else {
    METASTORE_RETURN_IF_ERROR(ReadSelected(reader, selector, kCurrent, keys_only, visit));
  }
  if (any) {
    *holds = all;
  } else {
    *holds = compare.target != kValue && HoldsFor(compare, VersionView());
  }
  return Status::Ok();
}

}  // namespace

Status EvaluateCompares(const Reader& reader, const std::vector<codec::Compare>& compares,
                        bool* holds) {
  *holds = true;
  for (const codec::Compare& compare : compares) {
    METASTORE_RETURN_IF_ERROR(Evaluate(reader, compare, holds));
    if (!*holds) return Status::Ok();
  }
  return Status::Ok();
}

Status ChoosePath(const Reader& reader, const codec::TxnRequest& request, std::vector<bool>* path) {
  bool holds = false;
  METASTORE_RETURN_IF_ERROR(EvaluateCompares(reader, request.compare, &holds));
  path->push_back(holds);
  for (const codec::RequestOp& op : holds ? request.success : request.failure) {
    const auto* nested = std::get_if<std::unique_ptr<codec::TxnRequest>>(&op);
    if (nested != nullptr) METASTORE_RETURN_IF_ERROR(ChoosePath(reader, **nested, path));
  }
  return Status::Ok();
}

}  // namespace metastore::mvcc
