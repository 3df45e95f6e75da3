// Decoders of requests.h: one Merge function a message, over the strict reader of wire.h.
//
// Merging is what proto3 asks for: a field given twice keeps the last value, a sub-message given
// twice is merged, and setting another member of a oneof clears the former.
#include "codec/requests.h"

#include <type_traits>

#include "codec/wire.h"

namespace metastore::codec {
namespace {

constexpr auto kVarint = WireType::varint;
constexpr auto kBytes = WireType::length_delimited;
/// Deeper nesting could never pass the operation budget and would only cost stack.
constexpr int kDeepestTxn = 128;

template <typename Each>
Status EachField(std::string_view bytes, Each each) {
  WireReader reader(bytes);
  WireField field;
  while (reader.Next(&field)) METASTORE_RETURN_IF_ERROR(each(field));
  return reader.ok() ? Status::Ok() : Status(Code::kUnmarshal);
}

void SetNumber(const WireField& field, RangeRequest* out) {
  switch (field.tag) {
    case 3:
      out->limit = field.Int64();
      break;
    case 4:
      out->revision = field.Int64();
      break;
    case 5:
      out->sort_order = field.Int32();
      break;
    case 6:
      out->sort_target = field.Int32();
      break;
    case 7:
      out->serializable = field.Bool();
      break;
    case 8:
      out->keys_only = field.Bool();
      break;
    case 9:
      out->count_only = field.Bool();
      break;
    case 10:
      out->min_mod_revision = field.Int64();
      break;
    case 11:
      out->max_mod_revision = field.Int64();
      break;
    case 12:
      out->min_create_revision = field.Int64();
      break;
    case 13:
      out->max_create_revision = field.Int64();
      break;
    default:
      break;
  }
}

Status Merge(std::string_view bytes, RangeRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.type == kVarint) SetNumber(field, out);
    if (field.Is(1, kBytes)) out->key = field.bytes;
    if (field.Is(2, kBytes)) out->range_end = field.bytes;
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, PutRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kBytes)) out->key = field.bytes;
    if (field.Is(2, kBytes)) out->value = field.bytes;
    if (field.Is(3, kVarint)) out->lease = field.Int64();
    if (field.Is(4, kVarint)) out->prev_kv = field.Bool();
    if (field.Is(5, kVarint)) out->ignore_value = field.Bool();
    if (field.Is(6, kVarint)) out->ignore_lease = field.Bool();
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, DeleteRangeRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kBytes)) out->key = field.bytes;
    if (field.Is(2, kBytes)) out->range_end = field.bytes;
    if (field.Is(3, kVarint)) out->prev_kv = field.Bool();
    return Status::Ok();
  });
}

/// Sets a member of target_union, which clears the others.
void SetUnion(const WireField& field, Compare* out) {
  out->union_field = static_cast<int32_t>(field.tag);
  out->number = field.type == kVarint ? field.Int64() : 0;
  out->value = field.type == kBytes ? field.bytes : std::string_view();
}

Status Merge(std::string_view bytes, Compare* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.type == kVarint) {
      if (field.tag == 1) out->result = field.Int32();
      if (field.tag == 2) out->target = field.Int32();
      if (field.tag == 4 || field.tag == 5 || field.tag == 6 || field.tag == 8) {
        SetUnion(field, out);
      }
    }
    if (field.Is(3, kBytes)) out->key = field.bytes;
    if (field.Is(7, kBytes)) SetUnion(field, out);
    if (field.Is(64, kBytes)) out->range_end = field.bytes;
    return Status::Ok();
  });
}

Status MergeTxn(std::string_view bytes, int depth, TxnRequest* out);

/// The operation's current alternative when it is a T already (its repetition merges), else a new
/// T.
template <typename T>
T* Alternative(RequestOp* op) {
  if (!std::holds_alternative<T>(*op)) op->emplace<T>();
  return &std::get<T>(*op);
}

Status MergeOp(std::string_view bytes, int depth, RequestOp* out) {
  return EachField(bytes, [out, depth](const WireField& field) {
    if (field.type != kBytes) return Status::Ok();
    switch (field.tag) {
      case 1:
        return Merge(field.bytes, Alternative<RangeRequest>(out));
      case 2:
        return Merge(field.bytes, Alternative<PutRequest>(out));
      case 3:
        return Merge(field.bytes, Alternative<DeleteRangeRequest>(out));
      case 4: {
        if (depth >= kDeepestTxn) return Status(Code::kTooManyOps);
        auto* nested = Alternative<std::unique_ptr<TxnRequest>>(out);
        if (*nested == nullptr) *nested = std::make_unique<TxnRequest>();
        return MergeTxn(field.bytes, depth + 1, nested->get());
      }
      default:
        return Status::Ok();
    }
  });
}

Status MergeTxn(std::string_view bytes, int depth, TxnRequest* out) {
  return EachField(bytes, [out, depth](const WireField& field) {
    if (field.type != kBytes) return Status::Ok();
    switch (field.tag) {
      case 1:
        return Merge(field.bytes, &out->compare.emplace_back());
      case 2:
        return MergeOp(field.bytes, depth, &out->success.emplace_back());
      case 3:
        return MergeOp(field.bytes, depth, &out->failure.emplace_back());
      default:
        return Status::Ok();
    }
  });
}

Status Merge(std::string_view bytes, TxnRequest* out) { return MergeTxn(bytes, 1, out); }

Status Merge(std::string_view bytes, CompactionRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kVarint)) out->revision = field.Int64();
    if (field.Is(2, kVarint)) out->physical = field.Bool();
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, LeaseGrantRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kVarint)) out->ttl_seconds = field.Int64();
    if (field.Is(2, kVarint)) out->id = field.Int64();
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, LeaseRevokeRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kVarint)) out->id = field.Int64();
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, LeaseCheckpoint* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kVarint)) out->id = field.Int64();
    if (field.Is(2, kVarint)) out->remaining_ttl_seconds = field.Int64();
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, LeaseCheckpointRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (!field.Is(1, kBytes)) return Status::Ok();
    return Merge(field.bytes, &out->checkpoints.emplace_back());
  });
}

Status Merge(std::string_view bytes, AlarmRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kVarint)) out->action = field.Int32();
    if (field.Is(2, kVarint)) out->member_id = field.number;
    if (field.Is(3, kVarint)) out->alarm = field.Int32();
    return Status::Ok();
  });
}

Status Merge(std::string_view bytes, HashKvRequest* out) {
  return EachField(bytes, [out](const WireField& field) {
    if (field.Is(1, kVarint)) out->revision = field.Int64();
    return Status::Ok();
  });
}

template <typename T>
Status DecodeFresh(std::string_view bytes, T* out) {
  *out = T();
  return Merge(bytes, out);
}

}  // namespace

Status Decode(std::string_view bytes, RangeRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, PutRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, DeleteRangeRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, TxnRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, CompactionRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, LeaseGrantRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, LeaseRevokeRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, LeaseCheckpointRequest* out) {
  return DecodeFresh(bytes, out);
}
Status Decode(std::string_view bytes, AlarmRequest* out) { return DecodeFresh(bytes, out); }
Status Decode(std::string_view bytes, HashKvRequest* out) { return DecodeFresh(bytes, out); }

}  // namespace metastore::codec
