// Checked conversions of args.h.
#include "addon/values/args.h"

#include <cmath>

namespace metastore::addon {
namespace {

constexpr double kMaxSafe = 9007199254740991.0;  // 2^53 - 1

bool Refuse(const Napi::Value& value, const char* name, const char* wanted) {
  ThrowType(value.Env(), std::string(name) + " must be " + wanted);
  return false;
}

bool IsSafeInteger(double number) {
  return std::trunc(number) == number && std::fabs(number) <= kMaxSafe;
}

}  // namespace

void ThrowType(Napi::Env env, const std::string& text) {
  Napi::TypeError::New(env, "metastore: " + text).ThrowAsJavaScriptException();
}

bool ToNumber(const Napi::Value& value, const char* name, double* out) {
  if (napi_get_value_double(value.Env(), value, out) != napi_ok) {
    return Refuse(value, name, "a number");
  }
  return true;
}

bool ToIndex(const Napi::Value& value, const char* name, uint64_t* out) {
  double number = 0;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok || !IsSafeInteger(number) ||
      number < 0) {
    return Refuse(value, name, "a non-negative safe integer");
  }
  *out = static_cast<uint64_t>(number);
  return true;
}

bool ToInteger(const Napi::Value& value, const char* name, int64_t* out) {
  double number = 0;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok || !IsSafeInteger(number)) {
    return Refuse(value, name, "a safe integer");
  }
  *out = static_cast<int64_t>(number);
  return true;
}

bool ToUint64(const Napi::Value& value, const char* name, uint64_t* out) {
  bool lossless = false;
  if (napi_get_value_bigint_uint64(value.Env(), value, out, &lossless) != napi_ok || !lossless) {
    return Refuse(value, name, "a bigint of 64 bits without sign");
  }
  return true;
}

bool ToInt64(const Napi::Value& value, const char* name, int64_t* out) {
  bool lossless = false;
  if (napi_get_value_bigint_int64(value.Env(), value, out, &lossless) != napi_ok || !lossless) {
    return Refuse(value, name, "a bigint of 64 bits with sign");
  }
  return true;
}

bool ToBool(const Napi::Value& value, const char* name, bool* out) {
  if (napi_get_value_bool(value.Env(), value, out) != napi_ok) {
    return Refuse(value, name, "a boolean");
  }
  return true;
}

bool ToText(const Napi::Value& value, const char* name, std::string* out) {
  if (!value.IsString()) return Refuse(value, name, "a string");
  *out = value.As<Napi::String>().Utf8Value();
  return true;
}

bool ToBytes(const Napi::Value& value, const char* name, std::string_view* out) {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_uint8_array) {
    return Refuse(value, name, "a Uint8Array");
  }
  *out =
      length == 0 ? std::string_view() : std::string_view(static_cast<const char*>(data), length);
  return true;
}

bool ReadCode(Args* args, size_t i, Napi::Env env, Code* code) {
  const uint64_t value = args->Index(i, "code");
  if (!args->ok()) return false;
  if (value >= static_cast<uint64_t>(Code::kCount)) {
    ThrowType(env, "code is not in the error table");
    return false;
  }
  *code = static_cast<Code>(value);
  return true;
}

bool ReadCaller(Args* args, size_t i, Napi::Env env, auth::HeldCaller* caller) {
  caller->user_name = args->Text(i, "userName");
  caller->auth_revision = args->Index(i + 1, "authRevision");
  return ReadCode(args, i + 2, env, &caller->refusal);
}

Napi::Value Fields::Raw(const char* name) {
  const Napi::Value value = object_.Get(name);
  if (value.IsEmpty()) {  // a getter threw
    ok_ = false;
    return object_.Env().Undefined();
  }
  return value;
}

}  // namespace metastore::addon
