// Alarms; see alarms.h.
#include "mvcc/state/alarms.h"

#include "base/check.h"
#include "mvcc/state/rows.h"

namespace metastore::mvcc {
namespace {

enum AlarmAction : int32_t { kGet = 0, kActivate = 1, kDeactivate = 2 };
/// Rows are their names; engines may not care for empty values.
constexpr char kRowValue[] = "1";

}  // namespace

Status Alarms::Load(Engine* engine, const EngineSnapshot& snapshot) {
  METASTORE_CHECK(current_.empty() && published_.empty(), "loaded once, before anything else");
  Status bad;
  const auto visit = [&](std::string_view name, std::string_view) {
    codec::AlarmMember alarm;
    bad = DecodeAlarm(name, &alarm);
    if (bad.ok()) current_.emplace(alarm.alarm, alarm.member_id);
    return bad.ok();
  };
  METASTORE_RETURN_IF_ERROR(engine->ScanMeta(snapshot, kAlarmPrefix, visit));
  METASTORE_RETURN_IF_ERROR(std::move(bad));
  published_ = current_;
  return Status::Ok();
}

Status Alarms::Run(const codec::AlarmRequest& request, Batch* batch,
                   std::vector<codec::AlarmMember>* affected) {
  const Entry entry = {request.alarm, request.member_id};
  const codec::AlarmMember member = {request.member_id, request.alarm};
  switch (request.action) {
    case kGet:
      for (const auto& [kind, id] : current_) {
        if (request.alarm == kAlarmNone || kind == request.alarm) affected->push_back({id, kind});
      }
      return Status::Ok();
    case kActivate:
      if (request.alarm == kAlarmNone) return Status::Ok();
      affected->push_back(member);
      if (!current_.insert(entry).second) return Status::Ok();
      batch->meta.push_back({AlarmRowName(member), kRowValue});
      changed_ = true;
      return Status::Ok();
    case kDeactivate:
      if (current_.erase(entry) == 0) return Status::Ok();
      affected->push_back(member);
      batch->meta.push_back({AlarmRowName(member), std::nullopt});
      changed_ = true;
      return Status::Ok();
    default:
      return Code::kUnknownMethod;
  }
}

bool Alarms::Any(int32_t kind) const {
  const auto first = current_.lower_bound({kind, 0});
  return first != current_.end() && first->first == kind;
}

Status Alarms::GuardReplicated() const {
  return Any(kAlarmCorrupt) ? Status(Code::kCorrupt) : Status::Ok();
}

Status Alarms::GuardGrowing() const {
  METASTORE_RETURN_IF_ERROR(GuardReplicated());
  return Any(kAlarmNoSpace) ? Status(Code::kNoSpace) : Status::Ok();
}

void Alarms::Publish() {
  if (!changed_) return;
  const std::lock_guard lock(mutex_);
  published_ = current_;
  changed_ = false;
}

std::vector<codec::AlarmMember> Alarms::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<codec::AlarmMember> all;
  for (const auto& [kind, id] : published_) all.push_back({id, kind});
  return all;
}

}  // namespace metastore::mvcc
