// Options and exports of plane.h.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "addon/plane/plane.h"
#include "addon/values/args.h"
#include "plane/foreign/events.h"
#include "plane/gate.h"
#include "plane/http2/parts/libraries.h"
#include "plane/streams/streams.h"

namespace metastore::addon {
namespace {

constexpr int64_t kNsPerMs = 1000000;
/// Three decades: sums of such times and the clock stay in range.
constexpr uint64_t kMaxMs = 1ull << 40;

using plane::EventKind;
constexpr std::pair<const char*, EventKind> kEvents[] = {
    {"call", EventKind::kCall},
    {"message", EventKind::kMessage},
    {"halfClose", EventKind::kHalfClose},
    {"ended", EventKind::kEnded},
    {"taken", EventKind::kTaken},
    {"http", EventKind::kHttp},
    {"output", EventKind::kOutput},
    {"closed", EventKind::kClosed},
    {"keepAlives", EventKind::kKeepAlives},
    {"caller", EventKind::kCaller},
    {"slow", EventKind::kSlow},
    {"log", EventKind::kLog},
};

constexpr std::pair<const char*, plane::GateFlag> kGateFlags[] = {
    {"open", plane::kGateOpen}, {"leader", plane::kGateLeader}, {"solo", plane::kGateSolo},
    {"auth", plane::kGateAuth}, {"growth", plane::kGateGrowth}, {"lessor", plane::kGateLessor},
};

constexpr std::pair<const char*, double> kStreamMarks[] = {
    {"watcher", static_cast<double>(plane::Asking::kWatcher)},
    {"renewal", static_cast<double>(plane::Asking::kRenewal)},
    {"opened", static_cast<double>(plane::Asking::kOpened)},
    {"askAgain", plane::kAskAgain},
};

template <typename Pairs>
Napi::Object ToConstants(Napi::Env env, const Pairs& pairs) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, value] : pairs) {
    object[name] = Napi::Number::New(env, static_cast<double>(value));
  }
  object.Freeze();
  return object;
}

bool ReadTime(Fields* fields, const char* name, int64_t* ns) {
  const uint64_t ms = fields->Index(name);
  *ns = static_cast<int64_t>(std::min(ms, kMaxMs)) * kNsPerMs;
  return fields->ok();
}

bool ReadWindow(const Napi::Env& env, Fields* fields, const char* name, uint32_t* bytes) {
  const uint64_t value = fields->Index(name);
  if (!fields->ok()) return false;
  if (value < 1 || value > INT32_MAX) {  // RFC 9113, 6.9.1
    ThrowType(env, std::string(name) + " must be a window of HTTP/2");
    return false;
  }
  *bytes = static_cast<uint32_t>(value);
  return true;
}

}  // namespace

void ExportPlane(Napi::Env env, Napi::Object exports) {
  exports["planeEvents"] = ToConstants(env, kEvents);
  exports["gateFlags"] = ToConstants(env, kGateFlags);
  exports["streamMarks"] = ToConstants(env, kStreamMarks);
  const auto& names = plane::Plane::NumberNames();
  Napi::Array numbers = Napi::Array::New(env, names.size());
  for (uint32_t i = 0; i < names.size(); ++i) numbers[i] = Napi::String::New(env, names[i]);
  numbers.As<Napi::Object>().Freeze();
  exports["planeNumbers"] = numbers;
  Napi::Object libraries = Napi::Object::New(env);
  for (const auto& [name, path] : plane::LibraryFiles()) libraries[name] = path;
  exports["planeLibraries"] = libraries;
}

bool ReadPlaneOptions(const Napi::Value& value, plane::PlaneOptions* options,
                      plane::HotOptions* hot) {
  const Napi::Env env = value.Env();
  if (!value.IsObject()) {
    ThrowType(env, "the options of a plane must be an object");
    return false;
  }
  Fields fields(value.As<Napi::Object>());
  plane::SessionOptions& session = options->session;
  options->lanes = fields.Index("lanes");
  session.max_receive_bytes = fields.Index("maxReceiveBytes");
  session.max_send_bytes = fields.Index("maxSendBytes");
  const uint64_t streams = fields.Index("maxConcurrentStreams");
  session.held_bytes_most = fields.Index("heldBytesMost");
  if (!fields.ok() || !ReadTime(&fields, "keepAliveIntervalMs", &session.keepalive_interval_ns) ||
      !ReadTime(&fields, "keepAliveTimeoutMs", &session.keepalive_timeout_ns) ||
      !ReadTime(&fields, "minPingMs", &session.min_ping_ns) ||
      !ReadTime(&fields, "idleMs", &session.idle_ns) ||
      !ReadWindow(env, &fields, "streamWindowBytes", &session.stream_window_bytes) ||
      !ReadWindow(env, &fields, "connectionWindowBytes", &session.connection_window_bytes)) {
    return false;
  }
  hot->most_in_flight = fields.Index("maxRequests");
  if (!fields.ok() || !ReadTime(&fields, "slowCallMs", &hot->slow_ns)) return false;
  session.max_concurrent_streams = static_cast<uint32_t>(std::min<uint64_t>(streams, UINT32_MAX));
  if (options->lanes < 1 || options->lanes > (1u << plane::kLaneBits)) {
    ThrowType(env, "lanes must be 1 to 8");
    return false;
  }
  return true;
}

}  // namespace metastore::addon
