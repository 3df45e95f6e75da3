// Methods of plane.h.
#include "addon/plane/plane.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addon/member_core.h"
#include "addon/values/args.h"
#include "addon/values/convert.h"

namespace metastore::addon {
namespace {

constexpr int kHighestGrpcStatus = 16;

/// Stops off the JavaScript thread: joining the lanes takes its time.
class StopWorker final : public Napi::AsyncWorker {
 public:
  StopWorker(Napi::Env env, std::shared_ptr<PlaneHandle> handle)
      : Napi::AsyncWorker(env, "metastore plane stop"),
        deferred_(Napi::Promise::Deferred::New(env)),
        handle_(std::move(handle)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { handle_->Stop(); }
  void OnOK() override {
    const Napi::Env env = Env();
    if (CanCallJs(env)) deferred_.Resolve(env.Undefined());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<PlaneHandle> handle_;
};

/// Name, value, name, value ... as header pairs.
bool ReadPairs(const Napi::Value& value, const char* name, plane::HeaderPairs* pairs) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() % 2 != 0) {
    ThrowType(value.Env(), std::string(name) + " must be an array of names and values");
    return false;
  }
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i += 2) {
    std::pair<std::string, std::string> pair;
    if (!ToText(array.Get(i), name, &pair.first) || !ToText(array.Get(i + 1), name, &pair.second)) {
      return false;
    }
    pairs->push_back(std::move(pair));
  }
  return true;
}

}  // namespace

Napi::Function PlaneObject::Define(Napi::Env env) {
  using Self = PlaneObject;
  return DefineClass(env, "Plane",
                     {
                         InstanceMethod("adopt", &Self::Adopt),
                         InstanceMethod("attach", &Self::Attach),
                         InstanceMethod("feed", &Self::Feed),
                         InstanceMethod("ended", &Self::Ended),
                         InstanceMethod("outputTaken", &Self::OutputTaken),
                         InstanceMethod("reply", &Self::Reply),
                         InstanceMethod("send", &Self::Send),
                         InstanceMethod("finish", &Self::Finish),
                         InstanceMethod("ask", &Self::Ask),
                         InstanceMethod("httpRespond", &Self::HttpRespond),
                         InstanceMethod("httpSend", &Self::HttpSend),
                         InstanceMethod("httpEnd", &Self::HttpEnd),
                         InstanceMethod("httpReset", &Self::HttpReset),
                         InstanceMethod("gate", &Self::Gate),
                         InstanceMethod("watchCaller", &Self::WatchCaller),
                         InstanceMethod("keepAlivesDone", &Self::KeepAlivesDone),
                         InstanceMethod("endStreams", &Self::EndStreams),
                         InstanceMethod("streamCounts", &Self::StreamCounts),
                         InstanceMethod("learnToken", &Self::LearnToken),
                         InstanceMethod("forgetTokens", &Self::ForgetTokens),
                         InstanceMethod("expire", &Self::Expire),
                         InstanceMethod("hotCounts", &Self::HotCounts),
                         InstanceMethod("hotVersions", &Self::HotVersions),
                         InstanceMethod("hotInFlight", &Self::HotInFlight),
                         InstanceMethod("drain", &Self::Drain),
                         InstanceMethod("openConnections", &Self::OpenConnections),
                         InstanceMethod("metrics", &Self::Metrics),
                         InstanceMethod("drainConnections", &Self::DrainConnections),
                         InstanceMethod("stop", &Self::Stop),
                     });
}

Napi::Object PlaneObject::Wrap(Napi::Env env, std::shared_ptr<PlaneHandle> handle) {
  const auto* data = env.GetInstanceData<InstanceData>();
  auto external = Napi::External<std::shared_ptr<PlaneHandle>>::New(env, &handle);
  return data->plane.New({external});
}

PlaneObject::PlaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlaneObject>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    ThrowType(info.Env(), "a Plane comes from openPlane()");
    return;
  }
  handle_ = *info[0].As<Napi::External<std::shared_ptr<PlaneHandle>>>().Data();
}

Napi::Value PlaneObject::Adopt(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t descriptor = args.Index(0, "descriptor");
  const std::string_view first_bytes = args.Bytes(1, "firstBytes");
  plane::Peer peer;
  peer.address = args.Text(2, "peer");
  const bool shared = args.Bool(3, "shared");
  if (!args.ok()) return info.Env().Undefined();
  if (descriptor > INT32_MAX) {
    ThrowType(info.Env(), "descriptor must be that of a socket");
    return info.Env().Undefined();
  }
  const int64_t connection = plane == nullptr
                                 ? -ECANCELED
                                 : plane->Adopt(static_cast<int>(descriptor),
                                                std::string(first_bytes), std::move(peer), shared);
  return Napi::Number::New(info.Env(), static_cast<double>(connection));
}

Napi::Value PlaneObject::Attach(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  plane::Peer peer;
  peer.secure = true;
  peer.address = args.Text(0, "peer");
  peer.common_name = args.Text(1, "commonName");
  const bool shared = args.Bool(2, "shared");
  if (!args.ok()) return info.Env().Undefined();
  const int64_t connection = plane == nullptr ? -ECANCELED : plane->Attach(std::move(peer), shared);
  return Napi::Number::New(info.Env(), static_cast<double>(connection));
}

Napi::Value PlaneObject::Feed(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t connection = args.Index(0, "connection");
  const std::string_view bytes = args.Bytes(1, "bytes");
  if (plane != nullptr && args.ok()) plane->Feed(connection, std::string(bytes));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Ended(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t connection = args.Index(0, "connection");
  if (plane != nullptr && args.ok()) plane->Ended(connection);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::OutputTaken(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t connection = args.Index(0, "connection");
  const uint64_t bytes = args.Index(1, "bytes");
  if (plane != nullptr && args.ok()) plane->OutputTaken(connection, bytes);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Reply(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  const std::string_view message = args.Bytes(1, "message");
  if (plane != nullptr && args.ok()) plane->Reply(call, std::string(message));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Send(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  const std::string_view message = args.Bytes(1, "message");
  if (plane != nullptr && args.ok()) plane->Send(call, std::string(message));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Finish(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  const uint64_t code = args.Index(1, "code");
  std::string text = args.Text(2, "text");
  if (!args.ok()) return info.Env().Undefined();
  if (code > kHighestGrpcStatus) {
    ThrowType(info.Env(), "code must be a gRPC status");
    return info.Env().Undefined();
  }
  if (plane != nullptr) plane->Finish(call, static_cast<int>(code), std::move(text));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Ask(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  if (plane != nullptr && args.ok()) plane->Ask(call);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::HttpRespond(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  const uint64_t status = args.Index(1, "status");
  plane::HeaderPairs headers;
  if (!args.ok() || !ReadPairs(info[2], "headers", &headers)) return info.Env().Undefined();
  if (status < 200 || status > 999) {
    ThrowType(info.Env(), "status must be a final one of HTTP");
    return info.Env().Undefined();
  }
  if (plane != nullptr) plane->HttpRespond(call, static_cast<int>(status), std::move(headers));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::HttpSend(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  const std::string_view bytes = args.Bytes(1, "bytes");
  if (plane != nullptr && args.ok()) plane->HttpSend(call, std::string(bytes));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::HttpEnd(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  if (plane != nullptr && args.ok()) plane->HttpEnd(call);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::HttpReset(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  if (plane != nullptr && args.ok()) plane->HttpReset(call);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Gate(const Info& info) {
  plane::Plane* plane = OpenPlane();
  Args args(info);
  const uint64_t flags = args.Index(0, "flags");
  if (plane != nullptr && args.ok()) plane->gate().Set(static_cast<uint32_t>(flags));
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Drain(const Info& info) {
  if (handle_ == nullptr) return info.Env().Null();
  std::string records = handle_->Drain();
  if (records.empty()) return info.Env().Null();
  return ToBuffer(info.Env(), std::move(records));
}

Napi::Value PlaneObject::OpenConnections(const Info& info) {
  plane::Plane* plane = OpenPlane();
  const uint64_t open = plane == nullptr ? 0 : plane->open_connections();
  return Napi::Number::New(info.Env(), static_cast<double>(open));
}

Napi::Value PlaneObject::Metrics(const Info& info) {
  std::vector<double> values;
  if (handle_ != nullptr) values = handle_->Numbers();
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value PlaneObject::DrainConnections(const Info& info) {
  plane::Plane* plane = OpenPlane();
  if (plane != nullptr) plane->DrainConnections();
  return info.Env().Undefined();
}

Napi::Value PlaneObject::Stop(const Info& info) {
  const Napi::Env env = info.Env();
  if (handle_ == nullptr) return env.Undefined();
  handle_->Refuse();
  auto* worker = new StopWorker(env, handle_);  // deletes itself
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace metastore::addon
