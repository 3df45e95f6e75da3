// The writers of replies.h.
#include "codec/replies.h"

#include "base/check.h"
#include "codec/wire.h"

namespace metastore::codec {

void AppendHeader(const ResponseHeader& header, std::string* out) {
  const size_t size = VarintFieldSize(header.cluster_id) + VarintFieldSize(header.member_id) +
                      VarintFieldSize(static_cast<uint64_t>(header.revision)) +
                      VarintFieldSize(header.raft_term);
  AppendTag(1, WireType::length_delimited, out);
  AppendVarint(size, out);
  const size_t start = out->size();
  AppendVarintField(1, header.cluster_id, out);
  AppendVarintField(2, header.member_id, out);
  AppendInt64Field(3, header.revision, out);
  AppendVarintField(4, header.raft_term, out);
  METASTORE_CHECK(out->size() == start + size, "header size was computed");
}

namespace {

void AppendBeforeValue(const KeyValue& kv, std::string* out) {
  AppendBytesField(1, kv.key, out);
  AppendInt64Field(2, kv.create_revision, out);
  AppendInt64Field(3, kv.mod_revision, out);
  AppendInt64Field(4, kv.version, out);
  if (kv.value.empty()) return;
  AppendTag(5, WireType::length_delimited, out);
  AppendVarint(kv.value.size(), out);
}

}  // namespace

size_t KeyValueSize(const KeyValue& kv) {
  return BytesFieldSize(kv.key.size()) +
         VarintFieldSize(static_cast<uint64_t>(kv.create_revision)) +
         VarintFieldSize(static_cast<uint64_t>(kv.mod_revision)) +
         VarintFieldSize(static_cast<uint64_t>(kv.version)) + BytesFieldSize(kv.value.size()) +
         VarintFieldSize(static_cast<uint64_t>(kv.lease));
}

void SplitKeyValue(const KeyValue& kv, std::string* before, std::string* behind) {
  AppendBeforeValue(kv, before);
  AppendInt64Field(6, kv.lease, behind);
}

void AppendKeyValue(uint32_t tag, const KeyValue& kv, std::string* out) {
  METASTORE_CHECK(tag > 0 && tag < 16, "tags of one byte");
  const size_t size = KeyValueSize(kv);
  AppendTag(tag, WireType::length_delimited, out);
  AppendVarint(size, out);
  const size_t start = out->size();
  AppendBeforeValue(kv, out);
  out->append(kv.value);
  AppendInt64Field(6, kv.lease, out);
  METASTORE_CHECK(out->size() == start + size, "pair size was computed");
}

void AppendRangeKv(const KeyValue& kv, std::string* out) { AppendKeyValue(2, kv, out); }

void AppendRangeEnd(bool more, int64_t count, std::string* out) {
  AppendVarintField(3, more ? 1 : 0, out);
  AppendInt64Field(4, count, out);
}

void AppendPutResponse(const ResponseHeader& header, const KeyValue* prev_kv, std::string* out) {
  AppendHeader(header, out);
  if (prev_kv != nullptr) AppendKeyValue(2, *prev_kv, out);
}

void AppendDeleteRangeHead(const ResponseHeader& header, int64_t deleted, std::string* out) {
  AppendHeader(header, out);
  AppendInt64Field(2, deleted, out);
}

void AppendDeletedKv(const KeyValue& kv, std::string* out) { AppendKeyValue(3, kv, out); }

void AppendResponseOp(ResponseKind kind, std::string_view message, std::string* out) {
  AppendTag(3, WireType::length_delimited, out);
  AppendVarint(1 + VarintSize(message.size()) + message.size(), out);
  AppendMessageField(static_cast<uint32_t>(kind), message, out);
}

void AppendTxnResponse(const ResponseHeader* header, bool succeeded, std::string_view responses,
                       std::string* out) {
  AppendHeader(header == nullptr ? ResponseHeader() : *header, out);
  AppendVarintField(2, succeeded ? 1 : 0, out);
  out->append(responses);
}

void AppendHeaderOnly(const ResponseHeader& header, std::string* out) { AppendHeader(header, out); }

void AppendLeaseGrantResponse(const ResponseHeader& header, int64_t id, int64_t ttl_seconds,
                              std::string* out) {
  AppendHeader(header, out);
  AppendInt64Field(2, id, out);
  AppendInt64Field(3, ttl_seconds, out);
}

void AppendAlarmResponse(const ResponseHeader& header, std::span<const AlarmMember> alarms,
                         std::string* out) {
  AppendHeader(header, out);
  for (const AlarmMember& member : alarms) {
    std::string message;
    AppendVarintField(1, member.member_id, &message);
    AppendInt64Field(2, member.alarm, &message);
    AppendMessageField(2, message, out);
  }
}

void AppendHashResponse(const ResponseHeader& header, uint32_t hash, std::string* out) {
  AppendHeader(header, out);
  AppendVarintField(2, hash, out);
}

void AppendHashKvResponse(const ResponseHeader& header, uint32_t hash, int64_t compact_revision,
                          int64_t hash_revision, std::string* out) {
  AppendHeader(header, out);
  AppendVarintField(2, hash, out);
  AppendInt64Field(3, compact_revision, out);
  AppendInt64Field(4, hash_revision, out);
}

}  // namespace metastore::codec
