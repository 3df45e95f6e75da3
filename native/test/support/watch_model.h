// A plain model of the watch API: what each watcher must see, kept beside the real thing.
//
// It knows the whole history, replays every stream's requests in order, and judges each response as
// it comes: order, completeness, nothing twice, nothing after a cancel, no progress told too early.
#ifndef METASTORE_TEST_SUPPORT_WATCH_MODEL_H_
#define METASTORE_TEST_SUPPORT_WATCH_MODEL_H_

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {

/// Every change ever made, in order, with the value that its key had before its revision.
class History {
 public:
  struct Entry {
    Event event;              // with prev where there was one
    bool superseded = false;  // by a later change of the same revision
  };

  History() { before_.emplace_back(); }

  void Apply(const Transaction& transaction) {
    const int64_t revision = this->revision() + 1;
    std::map<std::string, KeyValue> now = before_.back();
    std::vector<Entry> made;
    for (const Change& change : transaction) {
      const auto old = now.find(change.key);
      Entry entry;
      if (change.value) {
        KeyValue kv{change.key, *change.value, revision, revision, 1, 0};
        if (old != now.end()) {
          kv.create_revision = old->second.create_revision;
          kv.version = old->second.version + 1;
        }
        now[change.key] = kv;
        entry.event = {0, kv, std::nullopt};
      } else {
        if (old == now.end()) continue;
        now.erase(old);
        entry.event = {1, {change.key, "", 0, revision, 0, 0}, std::nullopt};
      }
      const bool creation = entry.event.type == 0 && entry.event.kv.create_revision == revision;
      const auto prev = before_.back().find(change.key);
      if (!creation && prev != before_.back().end()) entry.event.prev = prev->second;
      for (Entry& earlier : made) {
        if (earlier.event.kv.key == change.key) earlier.superseded = true;
      }
      made.push_back(std::move(entry));
    }
    if (made.empty()) return;
    entries_.insert(entries_.end(), made.begin(), made.end());
    before_.push_back(std::move(now));
  }

  int64_t revision() const { return static_cast<int64_t>(before_.size()); }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  std::vector<std::map<std::string, KeyValue>> before_;  // the state at revision 1, 2, ...
};

/// One watcher as the client understands it.
struct ModelWatcher {
  CreateOptions options;
  int64_t start = 0;
  size_t next = 0;  // in History::entries
  bool compacted = false;

  bool Contains(const std::string& key) const {
    const std::string from = options.key.empty() ? kZero : options.key;
    if (options.end.empty()) return key == from;
    return key >= from && (options.end == kZero || key < options.end);
  }
  bool Wants(const Event& event) const {
    if (event.kv.mod_revision < start || !Contains(event.kv.key)) return false;
    for (const int filter : options.filters) {
      if (filter == event.type) return false;
    }
    return true;
  }
};

class ModelStream {
 public:
  explicit ModelStream(const History* history) : history_(history) {}

  void Requested(const CreateOptions& options) { requests_.push_back({kCreate, options, 0}); }
  void Canceled(int64_t id) { requests_.push_back({kCancel, {}, id}); }
  void AskedProgress() { requests_.push_back({kProgress, {}, 0}); }
  void Refused(std::string reason) {
    requests_.push_back({kRefusal, {}, 0});
    requests_.back().options.key = std::move(reason);
  }

  /// Judges one response. `compact` is the compact revision that the store has by now.
  void Judge(const Response& response, int64_t compact) {
    compact_ = compact;
    ASSERT_TRUE(response.has_header);
    if (in_fragments_) {
      ASSERT_EQ(response.watch_id, fragments_of_) << "nothing comes between fragments";
      ASSERT_FALSE(response.events.empty());
    }
    if (response.created) {
      JudgeCreated(response);
    } else if (response.canceled) {
      JudgeCanceled(response, compact);
    } else if (response.events.empty()) {
      JudgeProgress(response);
    } else {
      JudgeEvents(response, compact);
    }
  }

  /// With everything delivered: nobody misses anything.
  void JudgeComplete() {
    ASSERT_FALSE(in_fragments_);
    SkipSilent();
    ASSERT_TRUE(requests_.empty()) << "a request was not answered";
    for (auto& [id, watcher] : watchers_) {
      ASSERT_TRUE(watcher.compacted || HasAllUpTo(&watcher, history_->revision())) << id;
    }
  }
  std::vector<int64_t> ids() const {
    std::vector<int64_t> ids;
    for (const auto& [id, watcher] : watchers_) ids.push_back(id);
    return ids;
  }
  size_t events_seen = 0, compacted_seen = 0, progress_seen = 0, fragments_seen = 0;

 private:
  enum Kind { kCreate, kCancel, kProgress, kRefusal };
  struct Request {
    Kind kind;
    CreateOptions options;
    int64_t id;
  };

  // Requests at the front that rightly got no answer: progress, and unknown ids.
  void SkipSilent() {
    while (!requests_.empty()) {
      const Request& front = requests_.front();
      const bool unknown = front.kind == kCancel && !watchers_.contains(front.id);
      if (front.kind != kProgress && !unknown) return;
      requests_.pop_front();
    }
  }

  bool HasAllUpTo(ModelWatcher* watcher, int64_t revision) {
    const auto& entries = history_->entries();
    while (watcher->next < entries.size() &&
           (!watcher->Wants(entries[watcher->next].event) ||
            (entries[watcher->next].event.kv.mod_revision <= revision &&
             MayBeGone(entries[watcher->next], Event{}, compact_)))) {
      ++watcher->next;
    }
    return watcher->next == entries.size() ||
           entries[watcher->next].event.kv.mod_revision > revision;
  }

  static std::string RefusalOf(const CreateOptions& options, bool in_use) {
    if (options.start < 0) return "etcdserver: mvcc: required revision has been compacted";
    const std::string from = options.key.empty() ? kZero : options.key;
    if (!options.end.empty() && options.end != kZero && options.end <= from) {
      return "mvcc: watcher range is empty";
    }
    return in_use ? "mvcc: duplicate watch ID provided on the WatchStream" : "";
  }

  void JudgeCreated(const Response& response) {
    SkipSilent();
    ASSERT_FALSE(requests_.empty());
    const Request request = requests_.front();
    requests_.pop_front();
    ASSERT_TRUE(request.kind == kCreate || request.kind == kRefusal);
    const CreateOptions& options = request.options;
    const bool in_use = options.id != 0 && watchers_.contains(options.id);
    const std::string refusal = request.kind == kRefusal ? options.key : RefusalOf(options, in_use);
    ASSERT_EQ(response.cancel_reason, refusal);
    ASSERT_EQ(response.canceled, !refusal.empty());
    if (response.canceled) {
      ASSERT_EQ(response.watch_id, -1);
      return;
    }
    int64_t id = options.id;
    if (id == 0) {
      while (watchers_.contains(next_id_)) ++next_id_;
      id = next_id_++;
    }
    ASSERT_EQ(response.watch_id, id);
    ModelWatcher watcher;
    watcher.options = options;
    watcher.start = options.start == 0 ? response.revision + 1 : options.start;
    watchers_.emplace(id, watcher);
  }

  void JudgeCanceled(const Response& response, int64_t compact) {
    const auto found = watchers_.find(response.watch_id);
    if (response.compact_revision != 0) {
      ASSERT_TRUE(found != watchers_.end()) << "a cancel of nobody";
      ModelWatcher& watcher = found->second;
      ASSERT_FALSE(watcher.compacted);
      ASSERT_LE(response.compact_revision, compact);
      ASSERT_LT(watcher.start, response.compact_revision);
      ASSERT_EQ(response.revision, 0);
      watcher.compacted = true;
      ++compacted_seen;
      return;
    }
    SkipSilent();
    ASSERT_FALSE(requests_.empty());
    ASSERT_EQ(requests_.front().kind, kCancel);
    ASSERT_EQ(requests_.front().id, response.watch_id);
    requests_.pop_front();
    watchers_.erase(found);
  }

  void JudgeProgress(const Response& response) {
    ++progress_seen;
    if (response.watch_id != -1 || (watchers_.contains(-1) && Notified(response))) {
      ASSERT_TRUE(Notified(response));
      return;
    }
    // It answers the oldest progress request that may be meant: those before it were dropped.
    while (!requests_.empty() && requests_.front().kind != kProgress) {
      const Request& front = requests_.front();
      ASSERT_TRUE(front.kind == kCancel && !watchers_.contains(front.id));
      requests_.pop_front();
    }
    ASSERT_FALSE(requests_.empty());
    requests_.pop_front();
    ASSERT_FALSE(watchers_.empty());
    for (auto& [id, watcher] : watchers_) {
      ASSERT_FALSE(watcher.compacted);
      ASSERT_LE(watcher.options.start, response.revision) << "ahead";
      ASSERT_TRUE(HasAllUpTo(&watcher, response.revision)) << id;
    }
  }

  bool Notified(const Response& response) {
    const auto found = watchers_.find(response.watch_id);
    if (found == watchers_.end()) return false;
    ModelWatcher& watcher = found->second;
    return watcher.options.progress && !watcher.compacted &&
           watcher.options.start <= response.revision && HasAllUpTo(&watcher, response.revision);
  }

  void JudgeEvents(const Response& response, int64_t compact) {
    const auto found = watchers_.find(response.watch_id);
    ASSERT_TRUE(found != watchers_.end()) << "events for nobody";
    ModelWatcher& watcher = found->second;
    ASSERT_FALSE(watcher.compacted);
    const auto& entries = history_->entries();
    for (const Event& event : response.events) {
      while (watcher.next < entries.size() && (!watcher.Wants(entries[watcher.next].event) ||
                                               MayBeGone(entries[watcher.next], event, compact))) {
        ++watcher.next;
      }
      ASSERT_LT(watcher.next, entries.size()) << "an event too many";
      JudgeEvent(event, entries[watcher.next].event, watcher.options.prev_kv, compact);
      ++watcher.next;
      ++events_seen;
    }
    const int64_t last = response.events.back().kv.mod_revision;
    ASSERT_GE(response.revision, last);
    ASSERT_TRUE(watcher.options.fragment || !response.fragment);
    if (!response.fragment) {
      ASSERT_TRUE(HasAllUpTo(&watcher, last)) << "a revision was torn";
    }
    in_fragments_ = response.fragment;
    fragments_of_ = response.watch_id;
    fragments_seen += response.fragment ? 1 : 0;
  }

  // Of a key's changes in the compacted revision itself only the last is kept.
  static bool MayBeGone(const History::Entry& entry, const Event& seen, int64_t compact) {
    return entry.superseded && entry.event.kv.mod_revision <= compact &&
           !(seen.type == entry.event.type && seen.kv == entry.event.kv);
  }

  static void JudgeEvent(const Event& seen, const Event& wanted, bool prev_kv, int64_t compact) {
    ASSERT_EQ(seen.type, wanted.type);
    ASSERT_EQ(seen.kv, wanted.kv);
    if (!prev_kv || !wanted.prev) {
      ASSERT_FALSE(seen.prev.has_value());
    } else if (seen.prev) {
      ASSERT_EQ(*seen.prev, *wanted.prev);
    } else {
      ASSERT_LT(wanted.kv.mod_revision - 1, compact) << "a previous value is missing";
    }
  }

  const History* history_;
  int64_t compact_ = -1;
  std::deque<Request> requests_;  // not answered yet
  std::map<int64_t, ModelWatcher> watchers_;
  int64_t next_id_ = 0;
  bool in_fragments_ = false;
  int64_t fragments_of_ = 0;
};

}  // namespace metastore::watch_test

#endif  // METASTORE_TEST_SUPPORT_WATCH_MODEL_H_
