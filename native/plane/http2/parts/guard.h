// What a client may do that costs the server something and brings the client nothing: how often.
//
// Plain counters that a session asks; they read no clock and send nothing.
#ifndef METASTORE_PLANE_HTTP2_PARTS_GUARD_H_
#define METASTORE_PLANE_HTTP2_PARTS_GUARD_H_

#include <algorithm>
#include <cstdint>

namespace metastore::plane {

/// Pings that come too early are strikes; the third one ends the connection. A server that has
/// sent something about a call in between forgives, since clients ping to measure, too.
class PingGuard {
 public:
  explicit PingGuard(int64_t min_ns) : min_ns_(min_ns) {}

  /// Headers or data have been sent.
  void Forgive() { forgiven_ = true; }

  /// A ping has come; whether it is one too many.
  bool IsTooMany(size_t open_streams, int64_t now_ns) {
    if (min_ns_ == 0) return false;
    const int64_t wait_ns = open_streams == 0 ? std::max(kIdleMinNs, min_ns_) : min_ns_;
    const bool is_early = has_last_ && now_ns - last_ns_ < wait_ns;
    has_last_ = true;
    last_ns_ = now_ns;
    if (forgiven_) {
      forgiven_ = false;
      strikes_ = 0;
      return false;
    }
    if (is_early) ++strikes_;
    return strikes_ > kMostStrikes;
  }

 private:
  static constexpr int kMostStrikes = 2;
  /// Without a call there is nothing to keep alive.
  static constexpr int64_t kIdleMinNs = int64_t{2} * 3600 * 1000 * 1000 * 1000;

  const int64_t min_ns_;
  int64_t last_ns_ = 0;
  int strikes_ = 0;
  bool has_last_ = false;
  bool forgiven_ = false;
};

/// So many at once, and so many a second after that.
class TokenBucket {
 public:
  TokenBucket(int64_t burst, int64_t per_second)
      : burst_(burst), ns_each_(int64_t{1000} * 1000 * 1000 / per_second), tokens_(burst) {}

  /// False when there is none left.
  bool Take(int64_t now_ns) {
    const int64_t more = (now_ns - filled_ns_) / ns_each_;
    if (more > 0) {
      tokens_ = std::min(burst_, tokens_ + std::min(more, burst_));
      filled_ns_ = now_ns;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  const int64_t burst_;
  const int64_t ns_each_;
  int64_t tokens_;
  int64_t filled_ns_ = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_GUARD_H_
