// See outgoing.h.
#include "plane/grpc/message/outgoing.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"

namespace metastore::plane {
namespace {

/// Messages up to this size are copied together; larger ones keep their own memory.
constexpr size_t kSmallBytes = 4096;
constexpr size_t kPieceBytes = 16u << 10;
constexpr size_t kPrefixBytes = 5;

}  // namespace

std::string& Outgoing::Tail(size_t more) {
  const bool has_tail = first_ < pieces_.size();
  if (!has_tail || (!pieces_.back().empty() && pieces_.back().size() + more > kPieceBytes)) {
    pieces_.emplace_back();
  }
  return pieces_.back();
}

void Outgoing::AppendPrefix(uint8_t flag, size_t length, size_t following) {
  const char prefix[kPrefixBytes] = {static_cast<char>(flag), static_cast<char>(length >> 24),
                                     static_cast<char>(length >> 16),
                                     static_cast<char>(length >> 8), static_cast<char>(length)};
  Tail(kPrefixBytes + following).append(prefix, kPrefixBytes);
  bytes_ += kPrefixBytes;
  appended_ += kPrefixBytes;
}

void Outgoing::Append(uint8_t flag, std::string_view message) {
  AppendPrefix(flag, message.size(), message.size());
  pieces_.back().append(message);
  bytes_ += message.size();
  appended_ += message.size();
}

void Outgoing::AppendCounted(uint8_t flag, std::string message, uint64_t credit) {
  AppendPrefix(flag, message.size(), std::min(message.size(), kSmallBytes));
  AppendBytes(std::move(message), credit);
}

void Outgoing::AppendBytes(std::string bytes, uint64_t credit) {
  const size_t size = bytes.size();
  if (size <= kSmallBytes) {
    Tail(size).append(bytes);
  } else {
    pieces_.push_back(std::move(bytes));
  }
  bytes_ += size;
  appended_ += size;
  marks_.push_back({appended_, credit});
}

uint64_t Outgoing::Take(size_t n, std::string* out) {
  METASTORE_CHECK(n <= bytes_, "more taken than there is");
  bytes_ -= n;
  taken_ += n;
  while (n > 0) {
    std::string& piece = pieces_[first_];
    const size_t part = std::min(n, piece.size() - offset_);
    out->append(piece, offset_, part);
    n -= part;
    offset_ += part;
    if (offset_ < piece.size()) break;
    offset_ = 0;
    if (piece.capacity() > kPieceBytes) piece = std::string();
    piece.clear();
    ++first_;
  }
  if (first_ == pieces_.size() && first_ > 0) {
    pieces_.resize(1);
    first_ = 0;
  } else if (first_ > 64 && first_ * 2 > pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  uint64_t credit = 0;
  while (first_mark_ < marks_.size() && marks_[first_mark_].end <= taken_) {
    credit += marks_[first_mark_++].credit;
  }
  if (first_mark_ == marks_.size()) {
    marks_.clear();
    first_mark_ = 0;
  } else if (first_mark_ > 256 && first_mark_ * 2 > marks_.size()) {
    marks_.erase(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(first_mark_));
    first_mark_ = 0;
  }
  return credit;
}

void Outgoing::Reset() {
  if (pieces_.size() > 1) pieces_.resize(1);
  if (!pieces_.empty()) {
    if (pieces_[0].capacity() > kPieceBytes) pieces_[0] = std::string();
    pieces_[0].clear();
  }
  marks_.clear();
  first_ = offset_ = bytes_ = first_mark_ = 0;
  appended_ = taken_ = 0;
}

}  // namespace metastore::plane
