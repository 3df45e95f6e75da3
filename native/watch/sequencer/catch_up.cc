// Catch-up: unsynced watchers read what they missed from the store's history, several at a time.
//
// One pass takes the watcher that has waited longest, and with it all others that want the same
// stretch of revisions; the stretch is bounded in revisions and bytes, so that the hub returns to
// new changes soon. Whoever has then read up to the view joins the synced ones. See sequencer.h.
#include <algorithm>

#include "base/check.h"
#include "watch/sequencer/sequencer.h"

namespace metastore::watch {
namespace {

// How many of the queue one pass looks at.
constexpr size_t kReadersMost = 512;

}  // namespace

struct Sequencer::Pass {
  std::vector<Watcher*> readers;
  int64_t from = 0;  // revisions, both inclusive
  int64_t to = 0;
  std::vector<VersionRef> versions;
};

// Fills readers and stretch; false when nobody can read now. Those without credit leave the queue,
// those whose history has been compacted are told so.
bool Sequencer::ChooseReaders(Pass* pass) {
  std::vector<Watcher*> waiting;
  for (auto at = queue_.begin(); at != queue_.end() && waiting.size() < kReadersMost;) {
    Watcher* watcher = *at++;
    Stream* stream = watcher->stream;
    if (!sender_.CanSend(stream)) {
      stream->parked.splice(stream->parked.end(), queue_, watcher->place);
      watcher->list = &stream->parked;
    } else if (watcher->next_revision < view_->compact_revision) {
      MakeCompacted(watcher);
      const ResponseFields fields{
          .watch_id = watcher->id, .canceled = true, .compact_revision = view_->compact_revision};
      sender_.Send(stream, Header(0), fields);
    } else {
      waiting.push_back(watcher);
    }
  }
  if (waiting.empty()) return false;
  // The stretch ends no sooner than the first waiter's next revision, and begins with the oldest
  // one that fits in front of it.
  const int64_t first = waiting.front()->next_revision;
  const int64_t span = options_.catch_up_revisions;
  pass->from = first;
  for (const Watcher* watcher : waiting) {
    if (watcher->next_revision > first - span) {
      pass->from = std::min(pass->from, watcher->next_revision);
    }
  }
  pass->to = std::min(pass->from + span - 1, view_->revision);
  for (Watcher* watcher : waiting) {
    if (watcher->next_revision >= pass->from && watcher->next_revision <= pass->to) {
      pass->readers.push_back(watcher);
    }
  }
  return true;
}

// Copies the versions that concern a reader; stops early, at the end of a revision, when they have
// become many bytes. The engine is not asked for anything else while it visits.
void Sequencer::ReadHistory(Pass* pass, Matcher* matcher, std::vector<Group*>* touched) {
  const uint64_t bytes_most = ChunkBytes();
  uint64_t bytes = 0;
  int64_t last = 0;
  const Status status = store_->engine().ScanRevisions(
      *view_->snapshot, Revision{pass->from, 0}, pass->to, [&](const VersionView& version) {
        if (version.rev.main != last && bytes >= bytes_most) {
          pass->to = last;
          return false;
        }
        METASTORE_CHECK(version.rev.main >= last && version.rev.main <= pass->to,
                        "history is read in order");
        last = version.rev.main;
        const auto at = static_cast<uint32_t>(pass->versions.size());
        bool wanted = false;
        matcher->Match(version.key, [&](Group& group) {
          if (group.matched.empty()) touched->push_back(&group);
          group.matched.push_back(at);
          wanted = true;
        });
        if (wanted) {
          pass->versions.push_back(Version::Make(version));
          bytes += version.key.size() + version.value.size();
        }
        return true;
      });
  METASTORE_CHECK(status.ok(), status.ToString().c_str());
}

void Sequencer::CatchUpPass() {
  Pass pass;
  if (!ChooseReaders(&pass)) return;
  Matcher matcher;
  for (Watcher* watcher : pass.readers) matcher.Add(watcher);
  std::vector<Group*> touched;
  ReadHistory(&pass, &matcher, &touched);
  HistoryPrev prev(&store_->engine(), view_);
  EventBatch batch(pass.versions, &prev, ChunkBytes());
  std::vector<Watcher*> behind;
  for (Group* group : touched) DeliverGroup(group, &batch, view_->revision, &behind);
  for (Watcher* watcher : pass.readers) matcher.Remove(watcher);
  FinishPass(pass, behind);
}

void Sequencer::FinishPass(const Pass& pass, const std::vector<Watcher*>& behind) {
  std::vector<Watcher*> stuck = behind;
  std::sort(stuck.begin(), stuck.end());
  for (Watcher* watcher : pass.readers) {
    Stream* stream = watcher->stream;
    if (std::binary_search(stuck.begin(), stuck.end(), watcher)) {
      stream->parked.splice(stream->parked.end(), queue_, watcher->place);
      watcher->list = &stream->parked;
      continue;
    }
    // A stretch that was cut short may end before this reader's part of it: it keeps its place.
    if (watcher->next_revision > pass.to + 1) continue;
    watcher->next_revision = pass.to + 1;
    if (watcher->next_revision > view_->revision) {
      MakeSynced(watcher);
    } else {
      queue_.splice(queue_.end(), queue_, watcher->place);
    }
  }
}

}  // namespace metastore::watch
