// ResidentReads: reads of one thread that are answered where they arrive, from what is in memory.
//
// Made by MemberCore for each lane of the data plane. Point reads need no executor, no copy of the
// request and no completion; whatever else a range asks for goes the way of all reads
// (MemberCore::Submit), and so does everything that is refused before it is read.
#ifndef METASTORE_MEMBER_WORK_RESIDENT_H_
#define METASTORE_MEMBER_WORK_RESIDENT_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "apply/completions.h"
#include "apply/meter.h"
#include "apply/shared_header.h"
#include "auth/caller.h"
#include "auth/slot.h"
#include "base/function_ref.h"
#include "base/status.h"
#include "codec/requests.h"
#include "engine/warming.h"
#include "mvcc/store.h"

namespace metastore::member {

struct ResidentParts {
  const StoreSlot* stores = nullptr;
  const auth::TableSlot* tables = nullptr;
  const apply::SharedHeader* header = nullptr;
  apply::CompletionQueue* completions = nullptr;
  /// No request is taken any more.
  const std::atomic<bool>* closing = nullptr;
  const std::atomic<bool>* failed = nullptr;
  apply::MeterOptions meter;
};

class ResidentReads {
 public:
  /// All must outlive the reads.
  explicit ResidentReads(const ResidentParts& parts) : parts_(parts), meter_(parts.meter) {}

  /// Answers a RangeRequest from the newest state that is applied here: *code and, appended, the
  /// reply. False, and nothing is said, when it has to be submitted. A linearizable range is
  /// `confirmed` when the applied state is known to hold all that was acknowledged by now.
  bool Serve(std::string_view request, const auth::Caller& caller, bool confirmed, Code* code,
             std::string* reply);
  struct Question {
    std::string_view request;  // of a RangeRequest; empty for none
    bool confirmed = false;
  };
  static constexpr size_t kMostTogether = 16;
  using Answer = FunctionRef<void(size_t question, Code code, std::string_view reply)>;

  /// As Serve, for a caller of whom nothing is known: answers those questions, at most
  /// kMostTogether, that need not be submitted. What they ask for is fetched from memory at once
  /// for all of them. `answer` must not serve reads.
  void ServeAll(std::span<const Question> questions, Answer answer);
  /// Lets go of the state, and counts what has been served. After each batch of requests: a state
  /// that is held keeps compactions waiting.
  void Rest();

 private:
  struct Tally {
    uint64_t count = 0;
    double seconds = 0;
  };

  bool IsOpen() const { return !parts_.closing->load() && !parts_.failed->load(); }
  const View& Current(const Store& store);
  /// False when it has to be submitted.
  bool ServeAt(const Store& store, const View& view, const codec::RangeRequest& range,
               const auth::Caller& caller, Code* code, std::string* reply);
  void Measure(std::string_view request, Code code, std::string_view reply, double seconds);

  const ResidentParts parts_;
  const apply::Meter meter_;
  // What the last request was served from; the next one is, unless there is something newer.
  const Store* store_ = nullptr;
  const Warming* warming_ = nullptr;  // its engine, if it can do that
  uint64_t publication_ = 0;
  ViewRef view_;
  HeaderInfo header_;
  Tally tallies_[2];  // failed, succeeded
  apply::CompletionBatch slow_;
  std::string reply_;  // scratch
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_RESIDENT_H_
