// Whole structures between JavaScript and C++: options in, recovered state and status out. Names
// are those of src/storage/native.ts.
#ifndef METASTORE_ADDON_VALUES_CONVERT_H_
#define METASTORE_ADDON_VALUES_CONVERT_H_

#include <napi.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "member/core.h"
#include "member/options.h"

namespace metastore::addon {

/// False with a pending TypeError. `files` receives a file layer that must outlive the core, when
/// the options name one.
bool ReadOptions(const Napi::Value& value, member::MemberOptions* options,
                 std::unique_ptr<FileLayer>* files);
bool ReadRuns(const Napi::Value& value, std::vector<member::AppendRun>* runs);
bool ReadHardState(const Napi::Value& value, wal::HardState* hard_state);
bool ReadMetaRows(const Napi::Value& value, std::vector<apply::MetaChange>* rows);

Napi::Object ToRecovered(Napi::Env env, const member::RecoveredState& recovered);
Napi::Object ToStatus(Napi::Env env, const member::CoreStatus& status);
/// Takes the bytes over without copying them when they are many.
Napi::Value ToBuffer(Napi::Env env, std::string bytes);
/// The parts that a recovered state and an installed snapshot have in common.
Napi::Value ToMetaMap(Napi::Env env, const std::vector<std::pair<std::string, std::string>>& rows);
Napi::Array ToLeases(Napi::Env env, const std::vector<LeaseRow>& leases);
Napi::Array ToAlarms(Napi::Env env, const std::vector<codec::AlarmMember>& alarms);
/// An Error whose `code` is the status' name.
Napi::Error ToError(Napi::Env env, const Status& status);
/// False while the environment is being torn down: native work still completes then, but its
/// results have nowhere to go, and most calls on values fail.
bool CanCallJs(Napi::Env env);
Napi::Array ToNumbers(Napi::Env env, const std::vector<double>& values);

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_VALUES_CONVERT_H_
