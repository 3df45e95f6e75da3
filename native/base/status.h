// Status and Result: how every function of the native core reports failure.
//
// A status is a code of errors.def plus, for failures of our own, a detail that names the file,
// offset or call. Nothing is thrown across a module border. Success costs one byte compare.
#ifndef METASTORE_BASE_STATUS_H_
#define METASTORE_BASE_STATUS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace metastore {

enum class Code : uint16_t {
#define METASTORE_ERROR(name, grpc, text) k##name,
#include "base/errors.def"
#undef METASTORE_ERROR
  kCount
};

/// The gRPC status number of a code (0 to 16).
int GrpcCode(Code code);
/// The exact text that a client sees for a code.
std::string_view CodeText(Code code);
/// A code as clients of gRPC print it: "rpc error: code = <gRPC name> desc = <text>".
std::string GrpcText(Code code);
/// The code's name as in errors.def, e.g. "EmptyKey".
std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code) : code_(code) {}  // NOLINT: a code is a status without detail
  Status(Code code, std::string detail)
      : code_(code), detail_(std::make_unique<std::string>(std::move(detail))) {}

  static Status Ok() { return Status(); }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  /// What happened in this process, for the log; empty for errors that a client caused.
  std::string_view detail() const {
    return detail_ ? std::string_view(*detail_) : std::string_view();
  }
  /// "text: detail", for logs and test failures.
  std::string ToString() const;

 private:
  Code code_ = Code::kOk;
  std::unique_ptr<std::string> detail_;
};

/// A value, or the status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT
  Result(Status status) : status_(std::move(status)) {}  // NOLINT
  Result(Code code) : status_(code) {}                   // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  Status TakeStatus() { return std::move(status_); }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

#define METASTORE_RETURN_IF_ERROR(expr)            \
  do {                                             \
    ::metastore::Status status_macro_ = (expr);    \
    if (!status_macro_.ok()) return status_macro_; \
  } while (0)

}  // namespace metastore

#endif  // METASTORE_BASE_STATUS_H_
