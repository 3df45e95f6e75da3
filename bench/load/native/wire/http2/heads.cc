// Compression of heads; see heads.h. Nothing is ever pushed out of the table: what does not fit
// into it is spelled out in each request.
#include "wire/http2/heads.h"

#include <utility>

namespace metastore::load {

namespace {

constexpr uint32_t kStaticEntries = 61;
constexpr size_t kEntryOverhead = 32;

/// RFC 7541, 5.1: an integer in what `prefix_bits` leave of the first byte, whose upper bits are
/// `pattern`.
void AppendInteger(uint32_t value, int prefix_bits, uint8_t pattern, std::string* out) {
  const uint32_t most = (1u << prefix_bits) - 1;
  if (value < most) {
    out->push_back(static_cast<char>(pattern | value));
    return;
  }
  out->push_back(static_cast<char>(pattern | most));
  value -= most;
  for (; value >= 128; value >>= 7) out->push_back(static_cast<char>(0x80 | (value & 0x7f)));
  out->push_back(static_cast<char>(value));
}

void AppendText(std::string_view text, std::string* out) {
  AppendInteger(static_cast<uint32_t>(text.size()), 7, 0, out);
  out->append(text);
}

}  // namespace

HeadWriter::HeadWriter(std::vector<std::string> paths, std::string authority, std::string token,
                       bool tls)
    : known_(paths.size()) {
  first_.push_back({":method", "POST", 2, 3});
  first_.push_back({":scheme", tls ? "https" : "http", 6, tls ? 7u : 6u});
  for (std::string& path : paths) paths_.push_back({":path", std::move(path), 4});
  rest_.push_back({":authority", std::move(authority), 1});
  rest_.push_back({"te", "trailers"});
  rest_.push_back({"content-type", "application/grpc", 31});
  rest_.push_back({"user-agent", "metastore-load", 58});
  if (!token.empty()) rest_.push_back({"token", std::move(token)});
}

void HeadWriter::Append(Field* field) {
  if (field->index != 0) return AppendInteger(field->index, 7, 0x80, &block_);
  if (field->place != 0) {
    // The newest entry has the lowest number.
    const auto age = static_cast<uint32_t>(placed_ - field->place);
    return AppendInteger(kStaticEntries + 1 + age, 7, 0x80, &block_);
  }
  const size_t size = field->name.size() + field->value.size() + kEntryOverhead;
  const bool fits = table_bytes_ + size <= table_bytes_most_;
  AppendInteger(field->name_index, fits ? 6 : 4, fits ? 0x40 : 0, &block_);
  if (field->name_index == 0) AppendText(field->name, &block_);
  AppendText(field->value, &block_);
  grew_ = true;
  if (!fits) return;
  table_bytes_ += size;
  field->place = ++placed_;
}

std::string_view HeadWriter::Next(size_t path) {
  Known& known = known_[path];
  if (!says_size_ && !known.block.empty() && known.placed == placed_) return known.block;
  block_.clear();
  grew_ = false;
  // 6.3: sizes are said in front of the first block behind the settings.
  if (says_size_) AppendInteger(table_bytes_most_, 5, 0x20, &block_);
  const bool said_size = std::exchange(says_size_, false);
  for (Field& field : first_) Append(&field);
  Append(&paths_[path]);
  for (Field& field : rest_) Append(&field);
  if (grew_ || said_size) return block_;
  known = {block_, placed_};
  return known.block;
}

void HeadWriter::Limit(uint32_t table_bytes) {
  if (table_bytes >= table_bytes_most_) return;
  // Everything goes from the table but what may come anew: nothing at all.
  table_bytes_most_ = 0;
  table_bytes_ = 0;
  placed_ = 0;
  says_size_ = true;
  const auto forget = [](std::vector<Field>* fields) {
    for (Field& field : *fields) field.place = 0;
  };
  forget(&paths_);
  forget(&first_);
  forget(&rest_);
  for (Known& known : known_) known = Known();
}

}  // namespace metastore::load
