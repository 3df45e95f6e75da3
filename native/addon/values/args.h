// Args and Fields: what JavaScript hands in, checked on its way to C++.
//
// A value of the wrong kind throws a TypeError that names it, and ok() turns false; the caller then
// returns at once. Exceptions of C++ are off in the addon.
#ifndef METASTORE_ADDON_VALUES_ARGS_H_
#define METASTORE_ADDON_VALUES_ARGS_H_

#include <napi.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/caller.h"
#include "base/status.h"

namespace metastore::addon {

/// Conversions; each throws a TypeError that names the value, and returns false.
bool ToIndex(const Napi::Value& value, const char* name, uint64_t* out);
bool ToNumber(const Napi::Value& value, const char* name, double* out);
/// Any integer number of an int64 below 2^53 in size.
bool ToInteger(const Napi::Value& value, const char* name, int64_t* out);
bool ToUint64(const Napi::Value& value, const char* name, uint64_t* out);
bool ToInt64(const Napi::Value& value, const char* name, int64_t* out);
bool ToBool(const Napi::Value& value, const char* name, bool* out);
bool ToText(const Napi::Value& value, const char* name, std::string* out);
/// A view of a Uint8Array's memory, valid during the call.
bool ToBytes(const Napi::Value& value, const char* name, std::string_view* out);

/// The arguments of one call by position.
class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info) {}
  bool ok() const { return ok_; }

  uint64_t Index(size_t i, const char* name) { return Take<uint64_t>(i, name, ToIndex); }
  int64_t Integer(size_t i, const char* name) { return Take<int64_t>(i, name, ToInteger); }
  uint64_t Uint64(size_t i, const char* name) { return Take<uint64_t>(i, name, ToUint64); }
  int64_t Int64(size_t i, const char* name) { return Take<int64_t>(i, name, ToInt64); }
  bool Bool(size_t i, const char* name) { return Take<bool>(i, name, ToBool); }
  std::string Text(size_t i, const char* name) { return Take<std::string>(i, name, ToText); }
  std::string_view Bytes(size_t i, const char* name) {
    return Take<std::string_view>(i, name, ToBytes);
  }

 private:
  template <typename T>
  T Take(size_t i, const char* name, bool (*convert)(const Napi::Value&, const char*, T*)) {
    T value{};
    if (ok_) ok_ = convert(info_[i], name, &value);
    return value;
  }
  const Napi::CallbackInfo& info_;
  bool ok_ = true;
};

/// The properties of one object by name.
class Fields {
 public:
  explicit Fields(const Napi::Object& object) : object_(object) {}
  bool ok() const { return ok_; }

  uint64_t Index(const char* name) { return Take<uint64_t>(name, ToIndex); }
  double Number(const char* name) { return Take<double>(name, ToNumber); }
  int64_t Integer(const char* name) { return Take<int64_t>(name, ToInteger); }
  uint64_t Uint64(const char* name) { return Take<uint64_t>(name, ToUint64); }
  bool Bool(const char* name) { return Take<bool>(name, ToBool); }
  std::string Text(const char* name) { return Take<std::string>(name, ToText); }
  Napi::Value Raw(const char* name);

 private:
  template <typename T>
  T Take(const char* name, bool (*convert)(const Napi::Value&, const char*, T*)) {
    T value{};
    if (ok_) ok_ = convert(Raw(name), name, &value);
    return value;
  }
  const Napi::Object object_;
  bool ok_ = true;
};

/// The argument as a code of the error table; outside of it is a mistake of the caller.
bool ReadCode(Args* args, size_t i, Napi::Env env, Code* code);

/// Three arguments from the `i`th on: userName, authRevision, refusal.
bool ReadCaller(Args* args, size_t i, Napi::Env env, auth::HeldCaller* caller);

/// Throws a TypeError.
void ThrowType(Napi::Env env, const std::string& text);

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_VALUES_ARGS_H_
