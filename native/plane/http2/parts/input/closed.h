// ClosedStreams: how the last streams of a connection ended, which decides what a late frame means.
//
// Frames that cross our own reset are harmless; frames behind the client's own end break the
// protocol (RFC 9113, 5.1). A client that sends either knows the stream from a short while ago.
#ifndef METASTORE_PLANE_HTTP2_PARTS_INPUT_CLOSED_H_
#define METASTORE_PLANE_HTTP2_PARTS_INPUT_CLOSED_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace metastore::plane {

class ClosedStreams {
 public:
  enum class End : uint8_t { kUnknown, kByClient, kByUs };

  void Add(int32_t id, End end) { entries_[next_++ % entries_.size()] = {id, end}; }
  /// Another view of one that is known: the client has reset it as well, or has been told.
  void Change(int32_t id, End end) {
    for (Entry& entry : entries_) {
      if (entry.id == id) entry.end = end;
    }
  }
  End Find(int32_t id) const {
    for (const Entry& entry : entries_) {
      if (entry.id == id) return entry.end;
    }
    return End::kUnknown;
  }

 private:
  struct Entry {
    int32_t id = 0;
    End end = End::kUnknown;
  };
  std::array<Entry, 64> entries_{};
  size_t next_ = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_INPUT_CLOSED_H_
