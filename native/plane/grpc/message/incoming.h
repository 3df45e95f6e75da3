// Incoming: cuts what a client sends into messages of gRPC: a flag, four bytes of length, the
// bytes.
//
// Bytes come in any pieces. A message that comes in one piece is copied once, into the string that
// the call then owns; the memory of one that is under way grows with what has really come.
#ifndef METASTORE_PLANE_GRPC_MESSAGE_INCOMING_H_
#define METASTORE_PLANE_GRPC_MESSAGE_INCOMING_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace metastore::plane {

class Incoming {
 public:
  static constexpr size_t kPrefixBytes = 5;

  enum class Step {
    /// All bytes are used up and the message is not whole yet.
    kMore,
    /// A prefix has been read: flag() and length() may be checked before anything is kept.
    kPrefix,
    /// message() is whole; Next() goes on.
    kMessage,
  };

  /// Uses up bytes from the front of `bytes`, and stops at every step.
  Step Feed(std::string_view* bytes) {
    if (have_ < kPrefixBytes) {
      const size_t n = std::min(kPrefixBytes - have_, bytes->size());
      std::memcpy(prefix_ + have_, bytes->data(), n);
      have_ += static_cast<uint8_t>(n);
      bytes->remove_prefix(n);
      return have_ < kPrefixBytes ? Step::kMore : Step::kPrefix;
    }
    const size_t n = std::min<size_t>(length() - message_.size(), bytes->size());
    message_.append(bytes->data(), n);
    bytes->remove_prefix(n);
    return message_.size() < length() ? Step::kMore : Step::kMessage;
  }

  uint8_t flag() const { return prefix_[0]; }
  uint32_t length() const {
    return uint32_t{prefix_[1]} << 24 | uint32_t{prefix_[2]} << 16 | uint32_t{prefix_[3]} << 8 |
           uint32_t{prefix_[4]};
  }
  std::string& message() { return message_; }
  void Next() {
    have_ = 0;
    message_.clear();
  }
  /// Part of a message has come.
  bool is_midway() const { return have_ > 0; }
  /// A whole prefix has come, and not all behind it.
  bool is_in_message() const { return have_ == kPrefixBytes; }
  /// Bytes kept of it.
  size_t held() const { return message_.size(); }
  void Reset() {
    have_ = 0;
    message_ = std::string();
  }

 private:
  std::string message_;
  uint8_t prefix_[kPrefixBytes] = {};
  uint8_t have_ = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_MESSAGE_INCOMING_H_
