// Replies decoded back into plain structs, for tests of whatever makes them. Fields that a message
// does not have stay as they are.
#ifndef METASTORE_TEST_SUPPORT_REPLY_PARSER_H_
#define METASTORE_TEST_SUPPORT_REPLY_PARSER_H_

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "codec/replies.h"
#include "codec/wire.h"

namespace metastore::testing {

struct Kv {
  std::string key, value;
  int64_t create = 0, mod = 0, version = 0, lease = 0;
  bool operator==(const Kv&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Kv& kv) {
  return out << kv.key << "=" << kv.value.substr(0, 20) << " create " << kv.create << " mod "
             << kv.mod << " version " << kv.version << " lease " << kv.lease;
}

/// Any reply: what a message does not have stays as it is here.
struct Reply {
  bool has_header = false;
  codec::ResponseHeader header;
  std::vector<Kv> kvs;  // of Range; previous pairs of DeleteRange and Put
  bool more = false;
  int64_t count = 0;  // of Range; deleted of DeleteRange
  bool succeeded = false;
  int kind = 0;  // inside a transaction: the response's kind, by field number
  std::vector<Reply> responses;
};

inline Kv ParseKv(std::string_view bytes) {
  Kv kv;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    switch (field.tag) {
      case 1:
        kv.key = field.bytes;
        break;
      case 2:
        kv.create = field.Int64();
        break;
      case 3:
        kv.mod = field.Int64();
        break;
      case 4:
        kv.version = field.Int64();
        break;
      case 5:
        kv.value = field.bytes;
        break;
      case 6:
        kv.lease = field.Int64();
        break;
      default:
        break;
    }
  }
  if (!reader.ok()) kv.key = "<bytes that are no message>";
  return kv;
}

inline void ParseHeader(std::string_view bytes, Reply* reply) {
  reply->has_header = true;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    if (field.tag == 1) reply->header.cluster_id = field.number;
    if (field.tag == 2) reply->header.member_id = field.number;
    if (field.tag == 3) reply->header.revision = field.Int64();
    if (field.tag == 4) reply->header.raft_term = field.number;
  }
}

inline Reply ParseRange(std::string_view bytes) {
  Reply reply;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    if (field.tag == 1) ParseHeader(field.bytes, &reply);
    if (field.tag == 2) reply.kvs.push_back(ParseKv(field.bytes));
    if (field.tag == 3) reply.more = field.Bool();
    if (field.tag == 4) reply.count = field.Int64();
  }
  return reply;
}

/// Also for replies that are nothing but a header, and numbers.
inline Reply ParsePut(std::string_view bytes) {
  Reply reply;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    if (field.tag == 1) ParseHeader(field.bytes, &reply);
    if (field.Is(2, codec::WireType::length_delimited)) reply.kvs.push_back(ParseKv(field.bytes));
  }
  return reply;
}

inline Reply ParseDelete(std::string_view bytes) {
  Reply reply;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    if (field.tag == 1) ParseHeader(field.bytes, &reply);
    if (field.tag == 2) reply.count = field.Int64();
    if (field.tag == 3) reply.kvs.push_back(ParseKv(field.bytes));
  }
  return reply;
}

inline Reply ParseTxn(std::string_view bytes) {
  Reply reply;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    if (field.tag == 1) ParseHeader(field.bytes, &reply);
    if (field.tag == 2) reply.succeeded = field.Bool();
    if (field.tag != 3) continue;
    codec::WireReader op(field.bytes);
    for (codec::WireField inner; op.Next(&inner);) {
      Reply one;
      if (inner.tag == 1) one = ParseRange(inner.bytes);
      if (inner.tag == 2) one = ParsePut(inner.bytes);
      if (inner.tag == 3) one = ParseDelete(inner.bytes);
      if (inner.tag == 4) one = ParseTxn(inner.bytes);
      one.kind = static_cast<int>(inner.tag);
      reply.responses.push_back(std::move(one));
    }
  }
  return reply;
}

/// AlarmResponse: (member, kind) in the order given.
inline std::vector<codec::AlarmMember> ParseAlarms(std::string_view bytes) {
  std::vector<codec::AlarmMember> alarms;
  codec::WireReader reader(bytes);
  for (codec::WireField field; reader.Next(&field);) {
    if (field.tag != 2) continue;
    codec::AlarmMember alarm;
    codec::WireReader inner(field.bytes);
    for (codec::WireField number; inner.Next(&number);) {
      if (number.tag == 1) alarm.member_id = number.number;
      if (number.tag == 2) alarm.alarm = number.Int32();
    }
    alarms.push_back(alarm);
  }
  return alarms;
}

}  // namespace metastore::testing

#endif  // METASTORE_TEST_SUPPORT_REPLY_PARSER_H_
