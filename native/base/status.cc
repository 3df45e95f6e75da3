// The tables behind status.h, made from errors.def.
#include "base/status.h"

#include <array>

namespace metastore {
namespace {

struct Row {
  std::string_view name;
  int grpc;
  std::string_view text;
};

constexpr std::array<Row, static_cast<size_t>(Code::kCount)> kRows = {{
#define METASTORE_ERROR(name, grpc, text) {#name, grpc, text},
#include "base/errors.def"
#undef METASTORE_ERROR
}};

const Row& RowOf(Code code) { return kRows[static_cast<size_t>(code)]; }

/// By gRPC status number.
constexpr std::array<std::string_view, 17> kGrpcNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

}  // namespace

int GrpcCode(Code code) { return RowOf(code).grpc; }
std::string_view CodeText(Code code) { return RowOf(code).text; }
std::string_view CodeName(Code code) { return RowOf(code).name; }

std::string GrpcText(Code code) {
  const std::string_view name = kGrpcNames[static_cast<size_t>(GrpcCode(code))];
  std::string out("rpc error: code = ");
  out.append(name).append(" desc = ").append(CodeText(code));
  return out;
}

std::string Status::ToString() const {
  std::string out(CodeText(code_));
  if (detail_) out.append(": ").append(*detail_);
  return out;
}

}  // namespace metastore
