// What a foreign call keeps of its messages: those of the client that TypeScript has not asked for,
// and the sizes of those on their way to the client.
#ifndef METASTORE_PLANE_FOREIGN_MESSAGES_H_
#define METASTORE_PLANE_FOREIGN_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace metastore::plane {

/// Messages in, handed out one for each that was asked for, the first unasked. Bounded by the
/// window of the stream, since bytes are only given back for what has been dealt with.
class Inbox {
 public:
  void Add(std::string message) { waiting_.push_back(std::move(message)); }
  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }
  bool CanTake() const { return credit_ > 0 && !waiting_.empty(); }

  /// The next one; its size counts as under way until Ask.
  std::string Take() {
    std::string message = std::move(waiting_.front());
    waiting_.pop_front();
    if (credit_ > 0) --credit_;
    under_way_.push_back(message.size());
    return message;
  }

  /// One more is wanted. Bytes of the oldest that was taken, which has been dealt with.
  uint64_t Ask() {
    ++credit_;
    if (under_way_.empty()) return 0;
    const uint64_t bytes = under_way_.front();
    under_way_.pop_front();
    return bytes;
  }

 private:
  uint64_t credit_ = 1;
  std::deque<std::string> waiting_;
  std::deque<uint64_t> under_way_;
};

/// Messages out, and how many of them have left.
class Outbox {
 public:
  void Add(uint64_t bytes) { sizes_.push_back(bytes); }

  /// So many bytes of messages have left; the messages that are complete with them.
  uint64_t Written(uint64_t bytes) {
    written_ += bytes;
    uint64_t complete = 0;
    while (!sizes_.empty() && written_ >= sizes_.front()) {
      written_ -= sizes_.front();
      sizes_.pop_front();
      ++complete;
    }
    return complete;
  }

 private:
  uint64_t written_ = 0;  // of the first
  std::deque<uint64_t> sizes_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_FOREIGN_MESSAGES_H_
