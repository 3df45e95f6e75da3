// Checks of answers; see answers.h.
#include "work/answers.h"

#include <algorithm>

#include "codec/wire.h"
#include "work/keys.h"

namespace metastore::load {

using codec::WireField;
using codec::WireReader;
using codec::WireType;

/// What the answers of all operations are made of; each uses its own.
struct AnswerChecker::Fields {
  bool has_header = false;
  int64_t revision = 0;
  uint64_t pairs = 0;
  bool pairs_are_right = true;
  uint64_t responses = 0;
  bool more = false;
  int64_t number = 0;  // count, deleted, TTL, succeeded
  int64_t id = 0;
  std::string_view token;
};

namespace {

int64_t RevisionOf(std::string_view header) {
  WireReader reader(header);
  WireField field;
  int64_t revision = 0;
  while (reader.Next(&field)) {
    if (field.Is(3, WireType::varint)) revision = field.Int64();
  }
  return revision;
}

}  // namespace

bool AnswerChecker::IsPair(uint64_t key, std::string_view pair) const {
  WireReader reader(pair);
  WireField field;
  std::string_view text;
  std::string_view value;
  while (reader.Next(&field)) {
    if (field.tag == 1) text = field.bytes;
    if (field.tag == 5) value = field.bytes;
  }
  const auto prefix = static_cast<uint32_t>(options_.prefix.size());
  if (text.size() != options_.key_bytes || !text.starts_with(options_.prefix)) return false;
  uint64_t rest = key;
  for (size_t at = text.size(); at > prefix; at--, rest /= 10) {
    if (text[at - 1] != static_cast<char>('0' + rest % 10)) return false;
  }
  return !must_find_ || IsValueOf(key, value, options_);
}

void AnswerChecker::ReadField(Op op, uint64_t key, uint32_t tag, std::string_view bytes,
                              uint64_t number, Fields* out) const {
  const bool is_read = op == Op::kGet || op == Op::kScan;
  switch (tag) {
    case 1:
      out->has_header = true;
      out->revision = RevisionOf(bytes);
      return;
    case 2:
      if (is_read) {
        out->pairs_are_right = out->pairs_are_right && IsPair(key + out->pairs, bytes);
        out->pairs++;
      } else if (op == Op::kAuthenticate) {
        out->token = bytes;
      } else if (op == Op::kGrant || op == Op::kKeepAlive) {
        out->id = static_cast<int64_t>(number);
      } else {
        out->number = static_cast<int64_t>(number);
      }
      return;
    case 3:
      if (op == Op::kTxn) out->responses++;
      if (op == Op::kGrant || op == Op::kKeepAlive) out->number = static_cast<int64_t>(number);
      return;
    case 4:
      if (is_read) out->number = static_cast<int64_t>(number);
      return;
    default:
      return;
  }
}

const char* AnswerChecker::Judge(Op op, uint64_t key, const Fields& fields) const {
  if (!fields.has_header) return "no header";
  if (op == Op::kAuthenticate) return fields.token.empty() ? "no token" : nullptr;
  if (fields.revision <= 0) return "no revision";
  switch (op) {
    case Op::kGet:
      if (!fields.pairs_are_right) return "another pair than was asked for";
      if (fields.pairs != static_cast<uint64_t>(fields.number)) return "count and pairs differ";
      return must_find_ && fields.pairs != 1 ? "the key was not found" : nullptr;
    case Op::kScan:
      // With deletes under way there may be holes, so only the number of pairs is known.
      if (must_find_ && !fields.pairs_are_right) return "other pairs than were asked for";
      if (fields.pairs > options_.span) return "more pairs than the limit";
      return must_find_ && fields.pairs != std::min<uint64_t>(options_.span, options_.keys - key)
                 ? "keys were not found"
                 : nullptr;
    case Op::kTxn:
      if (fields.number != 1) return "the transaction has not succeeded";
      return fields.responses != 1 ? "not one response in the transaction" : nullptr;
    case Op::kDelete:
      return fields.number > 1 ? "more deleted than one key" : nullptr;
    case Op::kGrant:
    case Op::kKeepAlive:
      if (fields.id != LeaseId(key, options_)) return "another lease";
      return fields.number <= 0 ? "the lease is gone" : nullptr;
    default:
      return nullptr;
  }
}

Answer AnswerChecker::Check(Op op, uint64_t key, std::string_view message) const {
  Fields fields;
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) ReadField(op, key, field.tag, field.bytes, field.number, &fields);
  Answer answer;
  answer.revision = fields.revision;
  answer.token = fields.token;
  answer.wrong = reader.ok() ? Judge(op, key, fields) : "not protobuf";
  return answer;
}

}  // namespace metastore::load
