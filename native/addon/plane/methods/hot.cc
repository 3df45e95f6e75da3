// Methods of plane.h that have to do with KV on the lanes: tokens, time limits, counts.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "addon/plane/plane.h"
#include "addon/values/args.h"

namespace metastore::addon {
namespace {

constexpr double kNsPerMs = 1e6;

/// Ages of any size: what is longer than a life is for ever.
int64_t ToNs(double ms) {
  constexpr double kMost = 1e18;
  return static_cast<int64_t>(std::clamp(ms * kNsPerMs, -kMost, kMost));
}

bool ReadAge(const Napi::CallbackInfo& info, size_t at, const char* name, int64_t* ns) {
  if (!info[at].IsNumber()) {
    ThrowType(info.Env(), std::string(name) + " must be a number");
    return false;
  }
  const double ms = info[at].As<Napi::Number>().DoubleValue();
  if (ms != ms) {
    ThrowType(info.Env(), std::string(name) + " must be a time");
    return false;
  }
  *ns = ToNs(ms);
  return true;
}

}  // namespace

Napi::Value PlaneObject::LearnToken(const Info& info) {
  PlaneServices* services = OpenServices();
  Args args(info);
  const std::string token = args.Text(0, "token");
  const std::string user_name = args.Text(1, "userName");
  const uint64_t auth_revision = args.Index(2, "authRevision");
  const uint64_t valid_ms = args.Index(3, "validMs");
  if (services != nullptr && args.ok()) {
    services->hot()->LearnToken(token, user_name, auth_revision, static_cast<int64_t>(valid_ms));
  }
  return info.Env().Undefined();
}

Napi::Value PlaneObject::ForgetTokens(const Info& info) {
  PlaneServices* services = OpenServices();
  if (services != nullptr) services->hot()->ForgetTokens();
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Expire(const Info& info) {
  PlaneServices* services = OpenServices();
  plane::HotExpiry expiry;
  const bool ok = ReadAge(info, 0, "ageMs", &expiry.age_ns) &&
                  ReadAge(info, 1, "failureFromMs", &expiry.failure_from_ns) &&
                  ReadAge(info, 2, "failureToMs", &expiry.failure_to_ns) &&
                  ReadAge(info, 3, "connectedMs", &expiry.connected_ns);
  if (ok && services != nullptr) services->hot()->Expire(expiry);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::HotCounts(const Info& info) {
  std::vector<double> values;
  if (handle_ != nullptr) values = handle_->counted().hot()->Numbers();
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value PlaneObject::HotVersions(const Info& info) {
  const Napi::Env env = info.Env();
  Napi::Array rows = Napi::Array::New(env);
  if (handle_ == nullptr) return rows;
  uint32_t at = 0;
  for (const auto& [version, calls] : handle_->counted().hot()->Versions()) {
    Napi::Object row = Napi::Object::New(env);
    row["version"] = Napi::String::New(env, version);
    row["calls"] = Napi::Number::New(env, static_cast<double>(calls));
    rows[at++] = row;
  }
  return rows;
}

Napi::Value PlaneObject::HotInFlight(const Info& info) {
  const uint64_t calls = handle_ == nullptr ? 0 : handle_->counted().hot()->in_flight();
  return Napi::Number::New(info.Env(), static_cast<double>(calls));
}

}  // namespace metastore::addon
