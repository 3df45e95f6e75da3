// Log: the Wal of wal.h. Callers queue operations; a writer on the executor works through them in
// groups: write, sync, report, each a step of its own so that tests can crash between any two.
//
// Private to this folder: wal.cc holds the calls, writer.cc the steps, open.cc recovery's end.
#ifndef METASTORE_WAL_LOG_H_
#define METASTORE_WAL_LOG_H_

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "wal/replay/replay.h"
#include "wal/replay/table.h"
#include "wal/segment/tail.h"
#include "wal/wal.h"

namespace metastore::wal {

class Log final : public Wal {
 public:
  Log(const WalOptions& options, FileLayer* files);
  ~Log() override;

  /// Before anything else: replays, repairs or creates.
  Status Open(const Identity& identity, Recovered* recovered);

  void Append(std::vector<Entry> entries, const HardState* hard_state, bool sync,
              std::function<void(Status)> done) override;
  void Post(std::function<void()> task) override;
  Status Read(uint64_t from, uint64_t to, uint64_t max_bytes, std::vector<Entry>* entries) override;
  bool ReadCached(uint64_t from, uint64_t to, std::vector<Entry>* entries) override;
  Status Infos(uint64_t from, uint64_t to, std::vector<EntryInfo>* infos) override;
  void Truncate(uint64_t index, uint64_t term, std::function<void(Status)> done) override;
  void Reset(uint64_t index, uint64_t term, std::function<void(Status)> done) override;
  uint64_t start_index() const override;
  uint64_t last_index() const override;
  WalStats stats() const override;
  void OnSlowSync(std::function<void(double seconds)> tell) override;
  Status Close() override;

 private:
  enum class Kind { kAppend, kTruncate, kReset };
  struct Operation {
    Kind kind = Kind::kAppend;
    std::vector<Entry> entries;
    std::optional<HardState> hard_state;
    bool sync = false;
    uint64_t index = 0;  // kTruncate, kReset
    uint64_t term = 0;
    /// Entries behind this index have been replaced by a later operation; guarded by mutex_.
    uint64_t valid_to = UINT64_MAX;
    std::function<void(Status)> done;

    uint64_t Bytes() const;
  };
  /// The writer waits, has written a group, or has it durable.
  enum class Phase { kIdle, kWritten, kDurable };
  /// What posted tasks hold instead of the log: it outlives the log on an executor of the caller's.
  struct Anchor {
    std::mutex mutex;    // held during every step and by Close
    Log* log = nullptr;  // null once closed
  };
  struct Page {  // one entry of a Read that is not in memory
    size_t result = 0;
    uint64_t index = 0;
    Slot slot;
    std::shared_ptr<Segment> segment;
  };

  // open.cc
  Status Create(const Identity& identity);
  Status Repair(const Replayed& replayed);
  Status RepairTail(const Replayed& replayed);

  // wal.cc
  void Queue(Operation operation);                     // mutex_ held
  void ReplaceFrom(uint64_t index);                    // mutex_ held
  void ScheduleLocked();                               // mutex_ held
  std::shared_ptr<Segment> SegmentOf(uint64_t) const;  // mutex_ held
  Status ReadPages(const std::vector<Page>& pages, std::vector<Entry>* entries);

  // writer.cc, on the executor or in Close, Anchor::mutex held
  void RunStep();
  bool TakeGroup();
  void StepWrite();
  void StepSync();
  void StepReport();
  Status WriteGroup();
  void Encode(const Operation& operation, RecordEncoder* encoder);
  void Locate(const std::vector<uint64_t>& offsets);
  Status RemoveSegments();
  void Trim(size_t count);
  void Fail(Status status);

  const WalOptions options_;
  FileLayer* const files_;
  std::unique_ptr<ThreadExecutor> own_executor_;
  /// Closes the files of removed segments: the last to close a file waits until the system has
  /// let go of all its pages. Null, and it is done at once, on an executor of the caller's.
  std::unique_ptr<ThreadExecutor> sweeper_;
  Executor* executor_ = nullptr;
  std::shared_ptr<Anchor> anchor_;

  mutable std::mutex mutex_;
  EntryTable table_;                               // guarded by mutex_
  LogState queued_;                                // with all that is queued; guarded by mutex_
  std::deque<std::shared_ptr<Segment>> segments_;  // guarded by mutex_
  std::deque<Operation> queue_;                    // guarded by mutex_
  bool scheduled_ = false;                         // a task is posted; guarded by mutex_
  bool closing_ = false;                           // guarded by mutex_
  WalStats stats_;                                 // guarded by mutex_
  std::function<void(double seconds)> slow_sync_;  // guarded by mutex_

  // The writer's own; group_'s valid_to is guarded by mutex_.
  std::unique_ptr<Tail> tail_;
  LogState written_;  // what the log says up to the tail's offset
  std::deque<Operation> group_;
  Phase phase_ = Phase::kIdle;
  bool group_synced_ = false;
  std::vector<uint64_t> offsets_;  // of the group's entries
  Status failed_;                  // the first failure; every operation after it gets it too
};

}  // namespace metastore::wal

#endif  // METASTORE_WAL_LOG_H_
