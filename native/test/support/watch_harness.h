// Drives a WatchHub by hand: requests built field by field, responses decoded, credit optional.
#ifndef METASTORE_TEST_SUPPORT_WATCH_HARNESS_H_
#define METASTORE_TEST_SUPPORT_WATCH_HARNESS_H_

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "codec/wire.h"
#include "test/support/watch_store.h"
#include "watch/events/frame.h"
#include "watch/hub.h"

namespace metastore::watch_test {

using watch::HubOptions;
using watch::StreamId;
using watch::WatchHub;

// ---- Requests. -------------------------------------------------------------------------------

struct CreateOptions {
  std::string key = {};
  std::string end = {};
  int64_t start = 0;
  bool progress = false;
  std::vector<int> filters = {};
  bool packed = true;
  bool prev_kv = false;
  int64_t id = 0;
  bool fragment = false;
};

inline std::string CreateBytes(const CreateOptions& options) {
  std::string create;
  codec::AppendBytesField(1, options.key, &create);
  codec::AppendBytesField(2, options.end, &create);
  codec::AppendInt64Field(3, options.start, &create);
  codec::AppendVarintField(4, options.progress, &create);
  if (options.packed && !options.filters.empty()) {
    std::string packed;
    for (const int filter : options.filters) {
      codec::AppendVarint(static_cast<uint64_t>(int64_t{filter}), &packed);
    }
    codec::AppendMessageField(5, packed, &create);
  } else {
    for (const int filter : options.filters) {
      codec::AppendTag(5, codec::WireType::varint, &create);
      codec::AppendVarint(static_cast<uint64_t>(int64_t{filter}), &create);
    }
  }
  codec::AppendVarintField(6, options.prev_kv, &create);
  codec::AppendInt64Field(7, options.id, &create);
  codec::AppendVarintField(8, options.fragment, &create);
  std::string out;
  codec::AppendMessageField(1, create, &out);
  return out;
}

inline std::string CancelBytes(int64_t id) {
  std::string cancel, out;
  codec::AppendInt64Field(1, id, &cancel);
  codec::AppendMessageField(2, cancel, &out);
  return out;
}

inline std::string ProgressBytes() {
  std::string out;
  codec::AppendMessageField(3, "", &out);
  return out;
}

// ---- Responses. ------------------------------------------------------------------------------

struct KeyValue {
  std::string key, value;
  int64_t create_revision = 0, mod_revision = 0, version = 0, lease = 0;
  bool operator==(const KeyValue&) const = default;
};

struct Event {
  int64_t type = 0;
  KeyValue kv;
  std::optional<KeyValue> prev;
  bool operator==(const Event&) const = default;
};

struct Response {
  bool has_header = false;
  uint64_t cluster_id = 0, member_id = 0, raft_term = 0;
  int64_t revision = 0;
  int64_t watch_id = 0;
  bool created = false, canceled = false, fragment = false;
  int64_t compact_revision = 0;
  std::string cancel_reason;
  std::vector<Event> events;
  size_t size_bytes = 0;
};

using codec::WireField;
using codec::WireReader;

inline KeyValue DecodeKeyValue(std::string_view bytes) {
  KeyValue kv;
  WireReader reader(bytes);
  WireField f;
  while (reader.Next(&f)) {
    if (f.tag == 1) kv.key = f.bytes;
    if (f.tag == 2) kv.create_revision = f.Int64();
    if (f.tag == 3) kv.mod_revision = f.Int64();
    if (f.tag == 4) kv.version = f.Int64();
    if (f.tag == 5) kv.value = f.bytes;
    if (f.tag == 6) kv.lease = f.Int64();
  }
  EXPECT_TRUE(reader.ok());
  return kv;
}

inline Event DecodeEvent(std::string_view bytes) {
  Event event;
  WireReader reader(bytes);
  WireField f;
  while (reader.Next(&f)) {
    if (f.tag == 1) event.type = f.Int64();
    if (f.tag == 2) event.kv = DecodeKeyValue(f.bytes);
    if (f.tag == 3) event.prev = DecodeKeyValue(f.bytes);
  }
  EXPECT_TRUE(reader.ok());
  return event;
}

inline void DecodeHeader(std::string_view bytes, Response* out) {
  out->has_header = true;
  WireReader reader(bytes);
  WireField f;
  while (reader.Next(&f)) {
    if (f.tag == 1) out->cluster_id = f.number;
    if (f.tag == 2) out->member_id = f.number;
    if (f.tag == 3) out->revision = f.Int64();
    if (f.tag == 4) out->raft_term = f.number;
  }
  EXPECT_TRUE(reader.ok());
}

inline Response DecodeResponse(std::string_view bytes) {
  Response out;
  out.size_bytes = bytes.size();
  WireReader reader(bytes);
  WireField f;
  uint32_t last = 0;
  while (reader.Next(&f)) {
    EXPECT_GE(f.tag, last) << "fields stand in order";
    last = f.tag;
    if (f.tag == 1) DecodeHeader(f.bytes, &out);
    if (f.tag == 2) out.watch_id = f.Int64();
    if (f.tag == 3) out.created = f.Bool();
    if (f.tag == 4) out.canceled = f.Bool();
    if (f.tag == 5) out.compact_revision = f.Int64();
    if (f.tag == 6) out.cancel_reason = f.bytes;
    if (f.tag == 7) out.fragment = f.Bool();
    if (f.tag == 11) out.events.push_back(DecodeEvent(f.bytes));
  }
  EXPECT_TRUE(reader.ok());
  return out;
}

// ---- The hub and its surroundings. -----------------------------------------------------------

/// Takes the hub's buffers apart again: one call for each message.
class MessageSink : public watch::StreamSink {
 public:
  void Messages(watch::StreamMessages messages) override {
    uint32_t count = 0;
    uint64_t bytes = 0;
    watch::ForEachFrame(messages.frames, [&](std::string_view message) {
      ++count;
      bytes += message.size();
      Message(messages.stream, std::string(message));
    });
    EXPECT_EQ(count, messages.count);
    EXPECT_GT(count, 0u);
    EXPECT_EQ(bytes, messages.credit_bytes());
  }
  virtual void Message(StreamId stream, std::string bytes) = 0;
};

/// Keeps what streams were sent; with `auto_credit` the bytes are returned by Harness::Run.
class Sink final : public MessageSink {
 public:
  void Message(StreamId stream, std::string bytes) override {
    outstanding[stream] += bytes.size();
    messages[stream].push_back(std::move(bytes));
  }
  std::map<StreamId, std::deque<std::string>> messages;
  std::map<StreamId, uint64_t> outstanding;
};

/// Keeps publications back, as if they were still on their way from apply to the hub.
class HeldPublications final : public PublicationSink {
 public:
  void Publish(Publication publication) override { held.push_back(std::move(publication)); }
  std::vector<Publication> held;
};

inline HubOptions ManualOptions() {
  HubOptions options;
  options.random = [] { return uint64_t{0}; };
  return options;
}

struct Harness {
  explicit Harness(HubOptions options = ManualOptions()) {
    options.executor = &executor;
    options.now_ms = [this] { return now_ms; };
    hub = WatchHub::Create(options, &sink);
    store = std::make_unique<TestStore>(hub.get());
    hub->Attach(store->store());
    hub->SetHeader({11, 22, 3});
    Run();
  }
  ~Harness() {
    if (hub != nullptr) hub->Stop();
  }

  /// Runs every task; returns credit for what was sent where `auto_credit` says so.
  void Run() {
    for (int round = 0; round < 100000; ++round) {
      while (executor.Step()) {
      }
      bool returned = false;
      for (auto& [stream, bytes] : sink.outstanding) {
        if (!auto_credit || bytes == 0) continue;
        hub->Credit(stream, std::exchange(bytes, 0));
        returned = true;
      }
      if (!returned) return;
    }
    FAIL() << "the hub does not come to rest";
  }
  void Step(int tasks) {
    for (int i = 0; i < tasks && executor.Step(); ++i) {
    }
  }
  void Open(StreamId stream) {
    hub->Open(stream);
    Run();
  }
  void Send(StreamId stream, std::string_view bytes) {
    ASSERT_TRUE(hub->Request(stream, bytes).ok());
    Run();
  }
  void Create(StreamId stream, const CreateOptions& options) { Send(stream, CreateBytes(options)); }
  void Cancel(StreamId stream, int64_t id) { Send(stream, CancelBytes(id)); }
  void Progress(StreamId stream) { Send(stream, ProgressBytes()); }
  void Apply(const std::vector<Transaction>& transactions, int64_t compact = 0) {
    store->Apply(transactions, compact);
    Run();
  }
  void Put(std::string key, std::string value) {
    Apply({{Change{std::move(key), std::move(value)}}});
  }
  void Delete(std::string key) { Apply({{Change{std::move(key), std::nullopt}}}); }
  void Compact(int64_t revision) {
    Apply({}, revision);
    EXPECT_TRUE(store->RemoveRows());
  }
  void Advance(int64_t ms) {
    now_ms += ms;
    hub->Tick();
    Run();
  }
  int64_t revision() const { return store->revision(); }

  /// The oldest message of the stream not looked at yet.
  std::optional<Response> Next(StreamId stream) {
    auto& queue = sink.messages[stream];
    if (queue.empty()) return std::nullopt;
    Response response = DecodeResponse(queue.front());
    queue.pop_front();
    return response;
  }
  /// Like Next; a test that has none fails.
  Response Must(StreamId stream) {
    auto next = Next(stream);
    EXPECT_TRUE(next.has_value()) << "a message was expected";
    return next.value_or(Response{});
  }
  bool Quiet(StreamId stream) { return sink.messages[stream].empty(); }
  size_t Count(StreamId stream) { return sink.messages[stream].size(); }

  bool auto_credit = true;
  int64_t now_ms = 1000;
  ManualExecutor executor;
  Sink sink;
  std::unique_ptr<TestStore> store;
  std::unique_ptr<WatchHub> hub;
};

inline const std::string kZero(1, '\0');

}  // namespace metastore::watch_test

#endif  // METASTORE_TEST_SUPPORT_WATCH_HARNESS_H_
