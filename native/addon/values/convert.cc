// The structures of convert.h.
#include "addon/values/convert.h"

#include <cstdlib>
#include <string>

#include "addon/values/args.h"

namespace metastore::addon {
namespace {

constexpr std::string_view kLossyPrefix = "lossy:";

Napi::Number Num(Napi::Env env, double value) { return Napi::Number::New(env, value); }
Napi::Number Num(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}
Napi::Number Num(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

bool ReadFileLayer(Napi::Env env, const std::string& name, member::MemberOptions* options,
                   std::unique_ptr<FileLayer>* files) {
  if (name.empty()) return true;
  if (name.rfind(kLossyPrefix, 0) != 0) {
    ThrowType(env, "fileLayer must be '' or 'lossy:<seed>'");
    return false;
  }
  *files = FileLayer::Lossy(std::strtoull(name.c_str() + kLossyPrefix.size(), nullptr, 10));
  options->files = files->get();
  return true;
}

bool ReadRocks(const Napi::Value& value, RocksOptions* rocks) {
  if (!value.IsObject()) {
    ThrowType(value.Env(), "rocks must be an object");
    return false;
  }
  Fields fields(value.As<Napi::Object>());
  rocks->block_cache_bytes = fields.Index("blockCacheBytes");
  rocks->write_buffer_bytes = fields.Index("writeBufferBytes");
  rocks->metadata_cache_bytes = fields.Index("metadataCacheBytes");
  rocks->background_jobs = static_cast<int>(fields.Integer("backgroundJobs"));
  rocks->bloom_bits_per_key = static_cast<int>(fields.Integer("bloomBitsPerKey"));
  return fields.ok();
}

bool ReadEngine(Fields* fields, Napi::Env env, member::EngineKind* engine) {
  const std::string name = fields->Text("engine");
  if (!fields->ok()) return false;
  if (name != "memory" && name != "rocksdb") {
    ThrowType(env, "engine must be 'memory' or 'rocksdb'");
    return false;
  }
  *engine = name == "memory" ? member::EngineKind::kMemory : member::EngineKind::kRocks;
  return true;
}

void ReadLimits(Fields* fields, member::MemberOptions* options) {
  options->unsafe_no_fsync = fields->Bool("unsafeNoFsync");
  options->store.quota_bytes = fields->Integer("quotaBytes");
  options->limits.max_request_bytes = fields->Integer("maxRequestBytes");
  options->limits.max_txn_ops = fields->Integer("maxTxnOps");
  options->limits.max_apply_backlog = fields->Index("maxApplyBacklog");
  options->limits.extra_revoke_backlog = fields->Index("extraRevokeBacklog");
  options->store.min_lease_ttl_seconds = fields->Integer("minLeaseTtlSeconds");
  options->wal_segment_bytes = fields->Index("walSegmentBytes");
  options->store.compaction_batch_limit = static_cast<int>(fields->Integer("compactionBatchLimit"));
  options->store.compaction_sleep_ms = static_cast<int>(fields->Integer("compactionSleepMs"));
  options->store.compaction_hash_limit_bytes = fields->Integer("compactionHashLimitBytes");
  options->slow_apply_ms = fields->Number("slowApplyMs");
  options->watch_progress_notify_ms = fields->Integer("watchProgressNotifyMs");
  options->queue.operations = fields->Index("maxQueuedOperations");
  options->queue.bytes = fields->Index("maxQueuedBytes");
}

bool ReadQueued(Fields* fields, member::AppendRun* run) {
  run->kind = member::AppendRun::Kind::kQueued;
  run->first_index = fields->Index("firstIndex");
  run->term = fields->Index("term");
  run->count = fields->Index("count");
  return fields->ok();
}

bool ReadReceived(Fields* fields, member::AppendRun* run) {
  run->kind = member::AppendRun::Kind::kReceived;
  run->first_index = fields->Index("firstIndex");
  run->count = fields->Index("count");
  run->offset = fields->Index("offset");
  const Napi::Value bytes = fields->Raw("run");
  return fields->ok() && ToBytes(bytes, "run", &run->received);
}

bool ReadRun(const Napi::Object& object, member::AppendRun* run) {
  Fields fields(object);
  const std::string kind = fields.Text("kind");
  if (!fields.ok()) return false;
  if (kind == "queued") return ReadQueued(&fields, run);
  if (kind == "received") return ReadReceived(&fields, run);
  if (kind != "inline") {
    ThrowType(object.Env(), "a run's kind must be 'queued', 'received' or 'inline'");
    return false;
  }
  run->first_index = fields.Index("index");
  run->term = fields.Index("term");
  const uint64_t type = fields.Index("type");
  const Napi::Value data = fields.Raw("data");
  if (!fields.ok()) return false;
  if (type > 2) {
    ThrowType(object.Env(), "an entry's type must be 0, 1 or 2");
    return false;
  }
  run->type = static_cast<uint8_t>(type);
  if (data.IsNull()) return true;
  std::string_view bytes;
  if (!ToBytes(data, "data", &bytes)) return false;
  run->data = std::make_shared<const std::string>(bytes);
  return true;
}

Napi::Object ToHistogram(Napi::Env env, const std::vector<uint64_t>& buckets, double sum) {
  Napi::Object histogram = Napi::Object::New(env);
  histogram["buckets"] = ToNumbers(env, std::vector<double>(buckets.begin(), buckets.end()));
  histogram["sum"] = Num(env, sum);
  return histogram;
}

}  // namespace

bool ReadOptions(const Napi::Value& value, member::MemberOptions* options,
                 std::unique_ptr<FileLayer>* files) {
  const Napi::Env env = value.Env();
  if (!value.IsObject()) {
    ThrowType(env, "options must be an object");
    return false;
  }
  Fields fields(value.As<Napi::Object>());
  options->data_dir = fields.Text("dataDir");
  const Napi::Value wal_dir = fields.Raw("walDir");
  if (!fields.ok()) return false;
  if (!wal_dir.IsNull() && !ToText(wal_dir, "walDir", &options->wal_dir)) return false;
  if (!ReadEngine(&fields, env, &options->engine)) return false;
  options->identity.cluster_id = fields.Uint64("clusterId");
  options->identity.member_id = fields.Uint64("memberId");
  ReadLimits(&fields, options);
  if (!fields.ok() || !ReadRocks(fields.Raw("rocks"), &options->rocks)) return false;
  const std::string layer = fields.Text("fileLayer");
  options->stepped = fields.Bool("stepped");
  return fields.ok() && ReadFileLayer(env, layer, options, files);
}

bool ReadRuns(const Napi::Value& value, std::vector<member::AppendRun>* runs) {
  if (!value.IsArray()) {
    ThrowType(value.Env(), "runs must be an array");
    return false;
  }
  const Napi::Array array = value.As<Napi::Array>();
  runs->resize(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    const Napi::Value run = array[i];
    if (!run.IsObject()) {
      ThrowType(value.Env(), "a run must be an object");
      return false;
    }
    if (!ReadRun(run.As<Napi::Object>(), &(*runs)[i])) return false;
  }
  return true;
}

bool ReadHardState(const Napi::Value& value, wal::HardState* hard_state) {
  if (!value.IsObject()) {
    ThrowType(value.Env(), "hardState must be an object or null");
    return false;
  }
  Fields fields(value.As<Napi::Object>());
  hard_state->term = fields.Index("term");
  hard_state->vote = fields.Uint64("vote");
  hard_state->commit = fields.Index("commit");
  return fields.ok();
}

bool ReadMetaRows(const Napi::Value& value, std::vector<apply::MetaChange>* rows) {
  if (!value.IsArray()) {
    ThrowType(value.Env(), "meta must be an array");
    return false;
  }
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array[i];
    if (!element.IsObject()) {
      ThrowType(value.Env(), "a meta row must be an object");
      return false;
    }
    Fields fields(element.As<Napi::Object>());
    apply::MetaChange row;
    row.key = fields.Text("key");
    const Napi::Value bytes = fields.Raw("value");
    if (!fields.ok()) return false;
    if (!bytes.IsNull()) {
      std::string_view view;
      if (!ToBytes(bytes, "value", &view)) return false;
      row.value = std::string(view);
    }
    rows->push_back(std::move(row));
  }
  return true;
}

Napi::Value ToMetaMap(Napi::Env env, const std::vector<std::pair<std::string, std::string>>& rows) {
  const Napi::Object map = env.Global().Get("Map").As<Napi::Function>().New({});
  const Napi::Function set = map.Get("set").As<Napi::Function>();
  for (const auto& [key, value] : rows) {
    set.Call(map, {Napi::String::New(env, key),
                   Napi::Buffer<char>::Copy(env, value.data(), value.size())});
  }
  return map;
}

Napi::Array ToLeases(Napi::Env env, const std::vector<LeaseRow>& leases) {
  Napi::Array array = Napi::Array::New(env, leases.size());
  for (uint32_t i = 0; i < leases.size(); ++i) {
    Napi::HandleScope scope(env);
    Napi::Object lease = Napi::Object::New(env);
    lease["id"] = Napi::BigInt::New(env, leases[i].id);
    lease["ttlSeconds"] = Num(env, leases[i].ttl_seconds);
    lease["remainingTtlSeconds"] = Num(env, leases[i].remaining_ttl_seconds);
    array[i] = lease;
  }
  return array;
}

Napi::Array ToAlarms(Napi::Env env, const std::vector<codec::AlarmMember>& alarms) {
  Napi::Array array = Napi::Array::New(env, alarms.size());
  for (uint32_t i = 0; i < alarms.size(); ++i) {
    Napi::Object alarm = Napi::Object::New(env);
    alarm["memberId"] = Napi::BigInt::New(env, alarms[i].member_id);
    alarm["alarm"] = Napi::Number::New(env, alarms[i].alarm);
    array[i] = alarm;
  }
  return array;
}

Napi::Object ToRecovered(Napi::Env env, const member::RecoveredState& recovered) {
  Napi::Object out = Napi::Object::New(env);
  out["created"] = Napi::Boolean::New(env, recovered.created);
  out["clusterId"] = Napi::BigInt::New(env, recovered.identity.cluster_id);
  out["memberId"] = Napi::BigInt::New(env, recovered.identity.member_id);
  out["term"] = Num(env, recovered.hard_state.term);
  out["vote"] = Napi::BigInt::New(env, recovered.hard_state.vote);
  out["commit"] = Num(env, recovered.hard_state.commit);
  out["startIndex"] = Num(env, recovered.start_index);
  out["startTerm"] = Num(env, recovered.start_term);
  out["lastIndex"] = Num(env, recovered.last_index);
  out["appliedIndex"] = Num(env, recovered.applied_index);
  out["appliedTerm"] = Num(env, recovered.applied_term);
  out["tornBytes"] = Num(env, recovered.torn_bytes);
  out["openMs"] = Num(env, recovered.open_ms);
  out["revision"] = Num(env, recovered.revision);
  out["meta"] = ToMetaMap(env, recovered.meta);
  out["leases"] = ToLeases(env, recovered.leases);
  out["alarms"] = ToAlarms(env, recovered.alarms);
  return out;
}

Napi::Object ToStatus(Napi::Env env, const member::CoreStatus& status) {
  Napi::Object out = Napi::Object::New(env);
  out["revision"] = Num(env, status.revision);
  out["compactRevision"] = Num(env, status.compact_revision);
  out["appliedIndex"] = Num(env, status.applied_index);
  out["durableAppliedIndex"] = Num(env, status.durable_applied_index);
  out["dbSizeBytes"] = Num(env, status.sizes.db_size_bytes);
  out["dbSizeInUseBytes"] = Num(env, status.sizes.db_size_in_use_bytes);
  out["logStartIndex"] = Num(env, status.log_start_index);
  out["logLastIndex"] = Num(env, status.log_last_index);
  out["logBytes"] = Num(env, status.log.log_bytes);
  out["logSegments"] = Num(env, status.log.segments);
  out["logSyncs"] = Num(env, status.log.syncs);
  out["logEntries"] = Num(env, status.log.entries);
  out["logSyncSeconds"] =
      ToHistogram(env, status.log.sync_seconds_buckets, status.log.sync_seconds_sum);
  out["logBatchEntries"] =
      ToHistogram(env, status.log.batch_entries_buckets, status.log.batch_entries_sum);
  out["queuedOperations"] = Num(env, status.queued.operations);
  out["queuedBytes"] = Num(env, status.queued.bytes);
  out["watchStreams"] = Num(env, status.watch.streams);
  out["watchers"] = Num(env, status.watch.watchers);
  out["slowWatchers"] = Num(env, status.watch.slow_watchers);
  out["watchEvents"] = Num(env, status.watch.events_total);
  Napi::Array engine = Napi::Array::New(env, status.engine.size());
  for (uint32_t i = 0; i < status.engine.size(); ++i) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair[0u] = Napi::String::New(env, status.engine[i].first);
    pair[1u] = Num(env, status.engine[i].second);
    engine[i] = pair;
  }
  out["engine"] = engine;
  return out;
}

Napi::Value ToBuffer(Napi::Env env, std::string bytes) {
  constexpr size_t kCopyBelowBytes = 8192;  // cheaper than an external buffer's finalizer
  if (bytes.size() < kCopyBelowBytes) {
    return Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size());
  }
  auto* owned = new std::string(std::move(bytes));
  return Napi::Buffer<char>::New(
      env, owned->data(), owned->size(),
      [](Napi::Env, char*, std::string* string) { delete string; }, owned);
}

Napi::Error ToError(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, "metastore: " + status.ToString());
  error.Set("code", Napi::String::New(env, std::string(CodeName(status.code()))));
  return error;
}

bool CanCallJs(Napi::Env env) {
  // Setting a property is the cheapest call that may run a script, and so is refused then.
  const Napi::Object probe = Napi::Object::New(env);
  return napi_set_named_property(env, probe, "probe", probe) == napi_ok;
}

Napi::Array ToNumbers(Napi::Env env, const std::vector<double>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array[i] = Num(env, values[i]);
  return array;
}

}  // namespace metastore::addon
