// StreamTable: the calls of a connection by the number of their stream, without a search.
//
// A stream's place is its number modulo the table's size. A number whose place is still taken is
// passed over, which HTTP/2 allows (RFC 9113, 5.1.1).
#ifndef METASTORE_LOAD_WIRE_HTTP2_STREAM_TABLE_H_
#define METASTORE_LOAD_WIRE_HTTP2_STREAM_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace metastore::load {

/// `Entry` has the field `stream`.
template <typename Entry>
class StreamTable {
 public:
  StreamTable() : slots_(kFirstSize) {}

  bool has_numbers() const { return next_ <= kLast; }
  size_t used() const { return used_; }

  /// Gives the entry the next number; there has to be one.
  void Open(Entry* entry) {
    if (used_ * 2 >= slots_.size()) Grow();
    // Half of the places are free.
    while (At(next_) != nullptr) next_ += 2;
    entry->stream = static_cast<int32_t>(next_);
    At(next_) = entry;
    next_ += 2;
    used_++;
  }

  /// Null for a stream that is not open.
  Entry* Find(int32_t stream) {
    Entry* entry = At(static_cast<uint32_t>(stream));
    return entry != nullptr && entry->stream == stream ? entry : nullptr;
  }

  void Close(Entry* entry) {
    At(static_cast<uint32_t>(entry->stream)) = nullptr;
    used_--;
  }

  template <typename Visit>
  void Each(Visit visit) const {
    const std::vector<Entry*> entries = slots_;
    for (Entry* entry : entries) {
      if (entry != nullptr) visit(entry);
    }
  }

 private:
  static constexpr size_t kFirstSize = 256;
  /// The highest number is 2^31 - 1; what is left behind this one is for those passed over.
  static constexpr uint32_t kLast = 0x7f000000;

  Entry*& At(uint32_t stream) { return slots_[(stream >> 1) & (slots_.size() - 1)]; }

  void Grow() {
    std::vector<Entry*> old(slots_.size() * 2);
    old.swap(slots_);
    for (Entry* entry : old) {
      // Different modulo the half means different modulo the whole.
      if (entry != nullptr) At(static_cast<uint32_t>(entry->stream)) = entry;
    }
  }

  std::vector<Entry*> slots_;  // a power of two
  uint32_t next_ = 1;
  size_t used_ = 0;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_HTTP2_STREAM_TABLE_H_
