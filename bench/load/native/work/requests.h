// The requests, framed for gRPC: each made once, then only its digits and stamp are written anew.
//
// Fields and numbers: etcd's rpc.proto (API reference v3.7). A value says which key it belongs to,
// so that an answer can be checked, and carries a stamp, by which a watch knows its put.
#ifndef METASTORE_LOAD_WORK_REQUESTS_H_
#define METASTORE_LOAD_WORK_REQUESTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/client_session.h"
#include "work/options.h"

namespace metastore::load {

/// Bytes of a value before its filling: the stamp, and the mark of its key.
inline constexpr size_t kMarkedBytes = 16;

/// Whether `value` is one that this generator wrote under the key of that number; shorter values
/// than the marks are taken at their size.
bool IsValueOf(uint64_t key, std::string_view value, const Options& options);
/// The stamp of a value of at least kMarkedBytes.
uint64_t StampOf(std::string_view value);
std::string KeyText(uint64_t key, const Options& options);

class RequestMaker {
 public:
  explicit RequestMaker(const Options& options);

  /// Replaces `out` by the framed request. `stamp` goes into values.
  void Make(Op op, uint64_t key, uint64_t stamp, std::string* out) const;
  Method MethodOf(Op op) const;

 private:
  /// Places in a framed request that change.
  struct Template {
    std::string bytes;
    std::vector<size_t> keys;
    std::vector<size_t> ends;
    std::vector<size_t> values;
  };

  void MakeTemplates();
  void Frame(Op op, const std::string& message);
  void AppendNumber(Op op, uint64_t number, std::string* out) const;

  const Options& options_;
  uint32_t digits_;
  Template templates_[kOps];
};

/// Lease ids of a run, different from run to run.
int64_t LeaseId(uint64_t index, const Options& options);
/// Seconds that leases live when nothing keeps them alive.
inline constexpr int64_t kLeaseSeconds = 600;

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WORK_REQUESTS_H_
