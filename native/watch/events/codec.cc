// Protobuf wire format of the watch service; see codec.h.
#include "watch/events/codec.h"

#include "codec/replies.h"
#include "codec/wire.h"
#include "watch/events/frame.h"

namespace metastore::watch {
namespace {

using codec::BytesFieldSize;
using codec::VarintFieldSize;
using codec::WireField;
using codec::WireReader;

constexpr auto kVarint = codec::WireType::varint;
constexpr auto kBytes = codec::WireType::length_delimited;

// ---- Decoding. -------------------------------------------------------------------------------

void AddFilter(int32_t filter, CreateRequest* out) {
  // Values that nobody has defined are filters that filter nothing.
  if (filter == 0) out->no_put = true;
  if (filter == 1) out->no_delete = true;
}

// Packed varints. A byte below 0x80 ends a number; ten bytes hold 64 bits, the last at most one.
bool AddPackedFilters(std::string_view bytes, CreateRequest* out) {
  uint64_t value = 0;
  int shift = 0;
  for (const char each : bytes) {
    const auto byte = static_cast<uint8_t>(each);
    if (shift == 63 && byte > 1) return false;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    shift += 7;
    if (byte >= 0x80) continue;
    AddFilter(static_cast<int32_t>(static_cast<uint32_t>(value)), out);
    value = 0;
    shift = 0;
  }
  return shift == 0;
}

bool MergeCreate(std::string_view bytes, CreateRequest* out) {
  WireReader reader(bytes);
  WireField field;
  while (reader.Next(&field)) {
    if (field.Is(1, kBytes)) out->key = field.bytes;
    if (field.Is(2, kBytes)) out->range_end = field.bytes;
    if (field.Is(3, kVarint)) out->start_revision = field.Int64();
    if (field.Is(4, kVarint)) out->progress_notify = field.Bool();
    if (field.Is(5, kVarint)) AddFilter(field.Int32(), out);
    if (field.Is(5, kBytes) && !AddPackedFilters(field.bytes, out)) return false;
    if (field.Is(6, kVarint)) out->prev_kv = field.Bool();
    if (field.Is(7, kVarint)) out->watch_id = field.Int64();
    if (field.Is(8, kVarint)) out->fragment = field.Bool();
  }
  return reader.ok();
}

bool MergeCancel(std::string_view bytes, int64_t* watch_id) {
  WireReader reader(bytes);
  WireField field;
  while (reader.Next(&field)) {
    if (field.Is(1, kVarint)) *watch_id = field.Int64();
  }
  return reader.ok();
}

bool IsMessage(std::string_view bytes) {
  WireReader reader(bytes);
  WireField field;
  while (reader.Next(&field)) {
  }
  return reader.ok();
}

// A member of the union that comes again is merged into what was read of it; another one replaces
// it. That is what protobuf says of oneof fields.
void Choose(RequestKind kind, WatchRequest* out) {
  if (out->kind != kind) *out = WatchRequest{};
  out->kind = kind;
}

bool MergeRequest(std::string_view bytes, WatchRequest* out) {
  WireReader reader(bytes);
  WireField field;
  while (reader.Next(&field)) {
    bool good = true;
    if (field.Is(1, kBytes)) {
      Choose(RequestKind::kCreate, out);
      good = MergeCreate(field.bytes, &out->create);
    } else if (field.Is(2, kBytes)) {
      Choose(RequestKind::kCancel, out);
      good = MergeCancel(field.bytes, &out->cancel_id);
    } else if (field.Is(3, kBytes)) {
      Choose(RequestKind::kProgress, out);
      good = IsMessage(field.bytes);
    }
    if (!good) return false;
  }
  return reader.ok();
}

// ---- Encoding. -------------------------------------------------------------------------------

size_t MessageSize(size_t length) { return 1 + codec::VarintSize(length) + length; }

uint64_t Unsigned(int64_t value) { return static_cast<uint64_t>(value); }

// A tombstone's view has nothing but key and revision, which is what a deletion shows.
codec::KeyValue ToKeyValue(const VersionView& v) {
  return {v.key, v.create_revision, v.rev.main, v.version, v.value, v.lease};
}

constexpr uint64_t kDelete = 1;

}  // namespace

Status Decode(std::string_view bytes, WatchRequest* out) {
  *out = WatchRequest{};
  return MergeRequest(bytes, out) ? Status::Ok() : Status(Code::kUnmarshal);
}

std::string EncodeHeader(const HeaderInfo& header, int64_t revision) {
  std::string out;
  codec::AppendHeader({header.cluster_id, header.member_id, revision, header.raft_term}, &out);
  return out;
}

size_t ResponseSize(std::string_view header, const ResponseFields& fields, size_t event_bytes) {
  return header.size() + VarintFieldSize(Unsigned(fields.watch_id)) + (fields.created ? 2 : 0) +
         (fields.canceled ? 2 : 0) + VarintFieldSize(Unsigned(fields.compact_revision)) +
         BytesFieldSize(fields.cancel_reason.size()) + (fields.fragment ? 2 : 0) + event_bytes;
}

void AppendFramedResponse(std::string_view header, const ResponseFields& fields,
                          std::string_view events, std::string* out) {
  AppendFramePrefix(ResponseSize(header, fields, events.size()), out);
  out->append(header);
  codec::AppendInt64Field(2, fields.watch_id, out);
  codec::AppendVarintField(3, fields.created, out);
  codec::AppendVarintField(4, fields.canceled, out);
  codec::AppendInt64Field(5, fields.compact_revision, out);
  codec::AppendBytesField(6, fields.cancel_reason, out);
  codec::AppendVarintField(7, fields.fragment, out);
  out->append(events);
}

void AppendEvent(const VersionView& version, const VersionView* prev, std::string* out) {
  const codec::KeyValue kv = ToKeyValue(version);
  size_t size = MessageSize(codec::KeyValueSize(kv)) + (version.tombstone ? 2 : 0);
  if (prev != nullptr) size += MessageSize(codec::KeyValueSize(ToKeyValue(*prev)));
  codec::AppendTag(11, codec::WireType::length_delimited, out);
  codec::AppendVarint(size, out);
  if (version.tombstone) codec::AppendVarintField(1, kDelete, out);
  codec::AppendKeyValue(2, kv, out);
  if (prev != nullptr) codec::AppendKeyValue(3, ToKeyValue(*prev), out);
}

}  // namespace metastore::watch
