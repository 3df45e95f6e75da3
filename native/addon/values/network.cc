// The addon's `network` object over native/net. Arguments of the wrong kind throw a TypeError;
// nothing here is tied to an open core.
#include "addon/values/network.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "addon/values/args.h"
#include "net/sockets.h"
#include "net/tls_guard.h"

// v8::External::Value() by its name in the binary, since Node-API reads only the externals that it
// made itself. A value of Node-API is a handle of V8. Weak: a Node without it has no guard.
extern "C" __attribute__((weak)) void* _ZNK2v88External5ValueEv(const void* handle);

namespace metastore::addon {
namespace {

bool ToTexts(const Napi::Value& value, const char* name, std::vector<std::string>* out) {
  if (!value.IsArray()) {
    ThrowType(value.Env(), std::string(name) + " must be an array");
    return false;
  }
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    std::string text;
    if (!ToText(array.Get(i), name, &text)) return false;
    out->push_back(std::move(text));
  }
  return true;
}

Napi::Value GuardTls(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsExternal()) {
    ThrowType(env, "context must be the _external of a secure context");
    return env.Undefined();
  }
  net::TlsPolicy policy;
  Args args(info);
  policy.host = args.Text(3, "host");
  policy.is_client = args.Bool(4, "isClient");
  if (!args.ok() || !ToTexts(info[1], "allowedNames", &policy.allowed_names) ||
      !ToTexts(info[2], "allowedHosts", &policy.allowed_hosts)) {
    return env.Undefined();
  }
  if (_ZNK2v88External5ValueEv == nullptr) return Napi::Boolean::New(env, false);
  const napi_value handle = info[0];
  void* context = _ZNK2v88External5ValueEv(handle);
  return Napi::Boolean::New(env, net::GuardTls(context, std::move(policy)));
}

Napi::Value BindReusable(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info);
  const std::string host = args.Text(0, "host");
  const uint64_t port = args.Index(1, "port");
  if (!args.ok()) return env.Undefined();
  if (port > UINT16_MAX) {
    ThrowType(env, "port must be below 65536");
    return env.Undefined();
  }
  return Napi::Number::New(env, net::BindReusable(host, static_cast<uint16_t>(port)));
}

Napi::Value OpenFilesLimit(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(net::OpenFilesLimit()));
}

}  // namespace

Napi::Object ToNetwork(Napi::Env env) {
  Napi::Object network = Napi::Object::New(env);
  network["guardTls"] = Napi::Function::New(env, GuardTls, "guardTls");
  network["bindReusable"] = Napi::Function::New(env, BindReusable, "bindReusable");
  network["openFilesLimit"] = Napi::Function::New(env, OpenFilesLimit, "openFilesLimit");
  network.Freeze();
  return network;
}

}  // namespace metastore::addon
