// Random requests as protobuf bytes: few keys, so that everything meets everything. For the model
// test and for fuzzing the decoders.
#ifndef METASTORE_TEST_SUPPORT_MVCC_REQUESTS_H_
#define METASTORE_TEST_SUPPORT_MVCC_REQUESTS_H_

#include <random>
#include <string>
#include <vector>

#include "codec/wire.h"

namespace metastore::testing {

struct Operation {
  enum Kind { kPut, kDelete, kTxn, kGrant, kRevoke, kCompact };
  Kind kind = kPut;
  std::string bytes;   // of the first three
  int64_t number = 0;  // lease, or how far behind the newest revision to compact
};

class RequestMaker {
 public:
  explicit RequestMaker(uint64_t seed) : random_(seed) {}

  Operation Next() {
    const uint64_t draw = Below(100);
    if (draw < 40) return {Operation::kPut, Put(), 0};
    if (draw < 52) return {Operation::kDelete, Delete(), 0};
    if (draw < 80) return {Operation::kTxn, Txn(0), 0};
    if (draw < 88) return {Operation::kGrant, {}, Lease()};
    if (draw < 93) return {Operation::kRevoke, {}, Lease()};
    return {Operation::kCompact, {}, static_cast<int64_t>(Below(24)) - 2};
  }

  std::vector<std::string> SomeKeys() {
    std::vector<std::string> keys;
    for (uint64_t i = Below(6); i > 0; i--) keys.push_back(Key());
    return keys;
  }

  std::string Range(int64_t revision) {
    std::string out = Selection();
    using codec::AppendInt64Field;
    AppendInt64Field(3, Below(2) == 0 ? 0 : static_cast<int64_t>(Below(6)) - 1, &out);
    if (Below(2) == 0) AppendInt64Field(4, Some(revision), &out);
    AppendInt64Field(5, static_cast<int64_t>(Below(3)), &out);
    AppendInt64Field(6, Below(2) == 0 ? 0 : static_cast<int64_t>(Below(5)), &out);
    AppendInt64Field(8, Below(4) == 0 ? 1 : 0, &out);
    AppendInt64Field(9, Below(8) == 0 ? 1 : 0, &out);
    for (uint32_t filter = 10; filter <= 13; filter++) {
      if (Below(8) == 0) AppendInt64Field(filter, Some(revision), &out);
    }
    return out;
  }

  std::string ReadOnlyTxn() {
    std::string out;
    for (uint64_t i = Below(3); i > 0; i--) codec::AppendMessageField(1, Compare(), &out);
    for (uint32_t branch = 2; branch <= 3; branch++) {
      for (uint64_t i = Below(3); i > 0; i--) {
        std::string op;
        codec::AppendMessageField(1, Range(20), &op);
        codec::AppendMessageField(branch, op, &out);
      }
    }
    return out;
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  /// Around a revision, and now and then something odd.
  int64_t Some(int64_t revision) {
    if (Below(12) == 0) return static_cast<int64_t>(random_());
    return revision + 1 - static_cast<int64_t>(Below(20));
  }
  int64_t Lease() { return std::vector<int64_t>{-2, -1, 1, 2, 3}[Below(5)]; }

  std::string Key() {
    static const std::vector<std::string> keys = {std::string("\0", 1),
                                                  std::string("\0\0", 2),
                                                  std::string("a\0", 2),
                                                  "a",
                                                  "aa",
                                                  "b",
                                                  "ba",
                                                  "c",
                                                  "d",
                                                  "\x7f",
                                                  "\x80",
                                                  "\xff",
                                                  "\xff\xff"};
    return keys[Below(keys.size())];
  }
  std::string Value() {
    return std::string(Below(4) == 0 ? Below(300) : Below(5), static_cast<char>('a' + Below(4)));
  }

  /// Fields 1 and 2: a key, and an end of any form.
  std::string Selection() {
    std::string out;
    codec::AppendBytesField(1, Key(), &out);
    const uint64_t form = Below(5);
    if (form == 0) codec::AppendBytesField(2, std::string("\0", 1), &out);
    if (form == 1 || form == 2) codec::AppendBytesField(2, Key(), &out);
    return out;
  }

  std::string Put() {
    std::string out;
    codec::AppendBytesField(1, Key(), &out);
    const bool ignore_value = Below(8) == 0;
    const bool ignore_lease = Below(8) == 0;
    if (!ignore_value) codec::AppendBytesField(2, Value(), &out);
    if (!ignore_lease && Below(3) == 0) codec::AppendInt64Field(3, Lease(), &out);
    codec::AppendVarintField(4, Below(2), &out);
    codec::AppendVarintField(5, ignore_value ? 1 : 0, &out);
    codec::AppendVarintField(6, ignore_lease ? 1 : 0, &out);
    return out;
  }

  std::string Delete() {
    std::string out;
    codec::AppendBytesField(1, Key(), &out);
    if (Below(4) == 0) codec::AppendBytesField(2, Below(2) == 0 ? std::string(1, 0) : Key(), &out);
    codec::AppendVarintField(3, Below(2), &out);
    return out;
  }

  std::string Compare() {
    std::string out;
    codec::AppendInt64Field(1, static_cast<int64_t>(Below(5)), &out);
    const auto target = static_cast<uint32_t>(Below(6));
    codec::AppendVarintField(2, target, &out);
    codec::AppendBytesField(3, Key(), &out);
    const uint32_t field = Below(6) == 0 ? static_cast<uint32_t>(4 + Below(5)) : 4 + target;
    if (field == 7) {
      codec::AppendMessageField(7, Value(), &out);
    } else if (field <= 8) {
      codec::AppendTag(field, codec::WireType::varint, &out);
      codec::AppendVarint(Below(4), &out);
    }
    if (Below(4) == 0) codec::AppendBytesField(64, Key(), &out);
    return out;
  }

  /// Also transactions that admission would refuse: the store must bear them.
  std::string Txn(int depth) {
    std::string out;
    for (uint64_t i = Below(3); i > 0; i--) codec::AppendMessageField(1, Compare(), &out);
    for (uint32_t branch = 2; branch <= 3; branch++) {
      for (uint64_t i = Below(4); i > 0; i--) codec::AppendMessageField(branch, Op(depth), &out);
    }
    return out;
  }

  std::string Op(int depth) {
    std::string out;
    const uint64_t draw = Below(20);
    if (draw < 7) {
      codec::AppendMessageField(1, Range(Below(4) == 0 ? 20 : 0), &out);
    } else if (draw < 13) {
      codec::AppendMessageField(2, Put(), &out);
    } else if (draw < 17) {
      codec::AppendMessageField(3, Delete(), &out);
    } else if (draw < 19 && depth < 3) {
      codec::AppendMessageField(4, Txn(depth + 1), &out);
    } else if (draw < 19) {
      codec::AppendMessageField(2, Put(), &out);
    }
    return out;
  }

  std::mt19937_64 random_;
};

}  // namespace metastore::testing

#endif  // METASTORE_TEST_SUPPORT_MVCC_REQUESTS_H_
