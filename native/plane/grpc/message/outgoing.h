// Outgoing: the bytes of a stream that wait to be sent, and which of them end a message.
//
// Small messages are gathered in one buffer, large ones are moved and never copied. What has left
// is reported in bytes of messages, as whoever sent them counts.
#ifndef METASTORE_PLANE_GRPC_MESSAGE_OUTGOING_H_
#define METASTORE_PLANE_GRPC_MESSAGE_OUTGOING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace metastore::plane {

class Outgoing {
 public:
  /// A message behind its prefix. It is not reported when it has left.
  void Append(uint8_t flag, std::string_view message);
  /// The same for a message of a stream; `credit` is reported when its last byte has left.
  void AppendCounted(uint8_t flag, std::string message, uint64_t credit);
  /// Bytes as they are; `credit` is reported with the last of them.
  void AppendBytes(std::string bytes, uint64_t credit);

  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  /// Moves the next `n` bytes, which must be there, behind `out`. Answers the credit of what has
  /// left with them.
  uint64_t Take(size_t n, std::string* out);
  /// Forgets everything; keeps a small buffer for the next user.
  void Reset();

 private:
  struct Mark {
    uint64_t end;
    uint64_t credit;
  };

  void AppendPrefix(uint8_t flag, size_t length, size_t following);
  std::string& Tail(size_t more);

  // Bytes from `offset_` of pieces_[first_] on; pieces before that are spent.
  std::vector<std::string> pieces_;
  size_t first_ = 0;
  size_t offset_ = 0;
  size_t bytes_ = 0;
  // Ends of counted messages, as positions in all that was ever appended.
  std::vector<Mark> marks_;
  size_t first_mark_ = 0;
  uint64_t appended_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_MESSAGE_OUTGOING_H_
