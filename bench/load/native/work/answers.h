// Whether an answer is right: a server that answers quickly and wrongly must not look fast.
// Called by the workers for every message; fields after etcd's rpc.proto (API reference v3.7).
#ifndef METASTORE_LOAD_WORK_ANSWERS_H_
#define METASTORE_LOAD_WORK_ANSWERS_H_

#include <cstdint>
#include <string_view>

#include "work/options.h"
#include "work/requests.h"

namespace metastore::load {

struct Answer {
  int64_t revision = 0;
  /// Null when the answer is right, else what is wrong with it.
  const char* wrong = nullptr;
  std::string_view token;
};

class AnswerChecker {
 public:
  /// `must_find`: every key is there and stays, so that reads have to find it.
  AnswerChecker(const Options& options, bool must_find)
      : options_(options), must_find_(must_find) {}

  Answer Check(Op op, uint64_t key, std::string_view message) const;

 private:
  struct Fields;
  const char* Judge(Op op, uint64_t key, const Fields& fields) const;
  bool IsPair(uint64_t key, std::string_view pair) const;
  void ReadField(Op op, uint64_t key, uint32_t tag, std::string_view bytes, uint64_t number,
                 Fields* out) const;

  const Options& options_;
  bool must_find_;
};

/// One message of a watch stream.
struct WatchAnswer {
  int64_t watch = 0;
  bool created = false;
  bool canceled = false;
  bool malformed = false;
  uint32_t events = 0;
  std::string_view cancel_reason;
};

/// Reads a WatchResponse; calls `on_value` with each event's value.
template <typename OnValue>
WatchAnswer ReadWatchAnswer(std::string_view message, OnValue&& on_value);

}  // namespace metastore::load

#include "codec/wire.h"

namespace metastore::load {

/// The value in an mvccpb.Event.
inline std::string_view ValueOfEvent(std::string_view event) {
  codec::WireReader reader(event);
  codec::WireField field;
  std::string_view pair;
  while (reader.Next(&field)) {
    if (field.Is(2, codec::WireType::length_delimited)) pair = field.bytes;
  }
  codec::WireReader inner(pair);
  std::string_view value;
  while (inner.Next(&field)) {
    if (field.Is(5, codec::WireType::length_delimited)) value = field.bytes;
  }
  return value;
}

template <typename OnValue>
WatchAnswer ReadWatchAnswer(std::string_view message, OnValue&& on_value) {
  WatchAnswer out;
  codec::WireReader reader(message);
  codec::WireField field;
  while (reader.Next(&field)) {
    if (field.tag == 2) out.watch = field.Int64();
    if (field.tag == 3) out.created = field.Bool();
    if (field.tag == 4) out.canceled = field.Bool();
    if (field.tag == 6) out.cancel_reason = field.bytes;
    if (field.tag == 11) {
      out.events++;
      on_value(ValueOfEvent(field.bytes));
    }
  }
  out.malformed = !reader.ok();
  return out;
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WORK_ANSWERS_H_
