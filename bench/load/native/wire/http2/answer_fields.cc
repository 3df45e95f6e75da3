// Decoding of answer_fields.h.
#include "wire/http2/answer_fields.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"

namespace metastore::load {

namespace {

/// Nothing but indexes of one byte each (RFC 7541, 6.1): reading it again changes nothing.
bool IsIndexes(std::string_view block) {
  return std::all_of(block.begin(), block.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte > 0x80 && byte < 0xff;
  });
}

std::string_view View(const uint8_t* bytes, size_t length) {
  return {reinterpret_cast<const char*>(bytes), length};
}

}  // namespace

AnswerFields::AnswerFields() {
  METASTORE_CHECK(nghttp2_hd_inflate_new(&inflater_) == 0, "out of memory");
}

AnswerFields::~AnswerFields() { nghttp2_hd_inflate_del(inflater_); }

bool AnswerFields::Read(std::string_view block, int* status, std::string* text) {
  const auto tell = [&](const Known& known) {
    if (known.has_status) *status = known.status;
    if (!known.text.empty()) *text = known.text;
    return true;
  };
  for (const Known& known : known_) {
    if (known.block == block && !block.empty()) return tell(known);
  }
  Known found;
  if (!Decode(block, &found)) return false;
  tell(found);
  if (IsIndexes(block)) {
    found.block = block;
    known_[next_++ % known_.size()] = std::move(found);
  } else {
    known_.fill(Known());
  }
  return true;
}

bool AnswerFields::Decode(std::string_view block, Known* found) {
  const auto* at = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  while (true) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
    if (used < 0) return false;
    at += used;
    left -= static_cast<size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      const std::string_view name = View(field.name, field.namelen);
      const std::string_view value = View(field.value, field.valuelen);
      if (name == "grpc-status") {
        found->has_status = true;
        const char* const end = value.data() + value.size();
        if (std::from_chars(value.data(), end, found->status).ptr != end) found->status = -1;
      } else if (name == "grpc-message") {
        found->text = value;
      }
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      return nghttp2_hd_inflate_end_headers(inflater_) == 0;
    }
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) return false;
  }
}

}  // namespace metastore::load
