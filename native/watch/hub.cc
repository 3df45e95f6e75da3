// The hub around the sequencer: the mailbox, its thread and the timer. See hub.h.
#include "watch/hub.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "auth/check.h"
#include "base/check.h"
#include "watch/events/codec.h"
#include "watch/mailbox.h"
#include "watch/sequencer/sequencer.h"

namespace metastore::watch {
namespace {

constexpr auto kTickInterval = std::chrono::milliseconds(100);

// Publications of so many changes, to so many watchers, are passed on by the apply thread itself:
// at most some tens of microseconds, and the clients have them a change of threads earlier.
constexpr size_t kFewChanges = 8;
constexpr uint64_t kFewWatchers = 64;

int64_t MonotonicMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

uint64_t RandomBits() {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

HubOptions WithDefaults(HubOptions options) {
  if (!options.now_ms) options.now_ms = MonotonicMs;
  if (!options.random) options.random = RandomBits;
  return options;
}

/// Calls `tick` every 100 ms on a thread of its own until it is destroyed.
class Timer {
 public:
  explicit Timer(std::function<void()> tick) : tick_(std::move(tick)), thread_([this] { Run(); }) {}
  ~Timer() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!wake_.wait_for(lock, kTickInterval, [this] { return stopping_; })) tick_();
  }
  std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

class Hub final : public WatchHub {
 public:
  Hub(const HubOptions& options, StreamSink* sink)
      : executor_(options.executor),
        tables_(options.tables),
        mailbox_(options),
        sequencer_(options, sink, &counters_) {
    if (executor_ != nullptr) return;
    own_executor_ = std::make_unique<ThreadExecutor>("watch");
    executor_ = own_executor_.get();
    timer_ = std::make_unique<Timer>([this] {
      if (counters_.streams.load(std::memory_order_relaxed) > 0) Tick();
    });
  }
  ~Hub() override { Stop(); }

  void Attach(std::shared_ptr<Store> store) override { Put(AttachCommand{std::move(store)}); }
  void SetHeader(const HeaderInfo& header) override { Put(header); }
  void Publish(Publication publication) override {
    const bool is_small = IsSmall(publication);
    if (!mailbox_.PutPublication(std::move(publication))) return;
    if (is_small && TryDrain()) return;
    WakeIf(true);
  }
  void Open(StreamId stream) override { WakeIf(mailbox_.PutOpen(stream)); }
  void Close(StreamId stream) override { WakeIf(mailbox_.PutClose(stream)); }
  using WatchHub::Request;
  Status Request(StreamId stream, std::string_view bytes, const auth::Caller& caller) override {
    Incoming incoming;
    METASTORE_RETURN_IF_ERROR(Decode(bytes, &incoming.request));
    incoming.bytes = bytes.size();
    if (incoming.request.kind == RequestKind::kCreate) {
      incoming.permission = PermissionOf(incoming.request.create, caller);
    }
    bool wake = false;
    Status status = mailbox_.PutRequest(stream, std::move(incoming), &wake);
    WakeIf(wake);
    return status;
  }
  void Credit(StreamId stream, uint64_t bytes) override {
    WakeIf(mailbox_.PutCredit(stream, bytes));
  }
  void Tick() override { Put(TickCommand{}); }

  HubStats stats() const override {
    HubStats stats;
    stats.streams = counters_.streams.load(std::memory_order_relaxed);
    stats.watchers = counters_.watchers.load(std::memory_order_relaxed);
    stats.slow_watchers = counters_.slow_watchers.load(std::memory_order_relaxed);
    stats.pending_events = mailbox_.queued_events();
    stats.events_total = counters_.events_total.load(std::memory_order_relaxed);
    return stats;
  }

  void Stop() override {
    timer_.reset();
    mailbox_.Stop();
    {
      // A task that runs now ends first; those that come later find the hub stopped.
      std::lock_guard<std::mutex> lock(running_);
      stopped_ = true;
      sequencer_.Detach();
    }
    if (own_executor_ != nullptr) own_executor_->Stop();
  }

 private:
  void Put(Command command) { WakeIf(mailbox_.Put(std::move(command))); }
  Code PermissionOf(const CreateRequest& create, const auth::Caller& caller) const {
    if (caller.refusal != Code::kOk || tables_ == nullptr) return caller.refusal;
    const std::shared_ptr<const auth::Table> table = tables_->Get();
    const std::string_view key = create.key.empty() ? kLeastKey : std::string_view(create.key);
    return auth::Check(table.get(), caller).Read(key, create.range_end);
  }
  void WakeIf(bool wake) {
    if (wake) executor_->Post([this] { Drain(); });
  }

  /// Whether the apply thread may as well deal with it itself, since waking the hub's would cost it
  /// more. Never with an executor of the caller's, who wants to say when work is done.
  bool IsSmall(const Publication& publication) const {
    if (own_executor_ == nullptr) return false;
    const uint64_t watchers = counters_.watchers.load(std::memory_order_relaxed);
    return watchers == 0 ||
           (watchers <= kFewWatchers && publication.versions.size() <= kFewChanges);
  }
  /// Empties the mailbox on the caller's thread; false when the hub is at work.
  bool TryDrain() {
    std::unique_lock<std::mutex> lock(running_, std::try_to_lock);
    if (lock.owns_lock()) DrainLocked();
    return lock.owns_lock();
  }

  // ---- One thread at a time, mostly the hub's. ------------------------------------------------

  void Drain() {
    std::lock_guard<std::mutex> lock(running_);
    DrainLocked();
  }

  void DrainLocked() {
    if (stopped_) return;
    mailbox_.Take(&mail_);
    for (const auto& [stream, bytes] : mail_.credit) sequencer_.Credit(stream, bytes);
    for (Command& command : mail_.commands) {
      std::visit([this](auto& what) { Do(what); }, command);
    }
    sequencer_.Flush();
    mail_.clear();
    mailbox_.Release(sequencer_.TakeHandled());
    // Through the executor and not in a loop, so that passes over history get their turn.
    if (!mailbox_.Rest(sequencer_.WantsCredit())) executor_->Post([this] { Drain(); });
    ScheduleCatchUp();
  }

  void ScheduleCatchUp() {
    if (pass_posted_ || !sequencer_.HasCatchUpWork()) return;
    pass_posted_ = executor_->Post([this] {
      std::lock_guard<std::mutex> lock(running_);
      pass_posted_ = false;
      if (stopped_) return;
      sequencer_.CatchUpPass();
      sequencer_.Flush();
      WakeIf(mailbox_.WantCredit(sequencer_.WantsCredit()));
      ScheduleCatchUp();
    });
  }

  void Do(AttachCommand& command) { sequencer_.Attach(std::move(command.store)); }
  void Do(HeaderInfo& header) { sequencer_.SetHeader(header); }
  void Do(PublishCommand& command) {
    mailbox_.Release(command);
    sequencer_.Publish(std::move(command.publication));
  }
  void Do(OpenCommand& command) { sequencer_.Open(command.stream); }
  void Do(CloseCommand& command) { sequencer_.Close(command.stream); }
  void Do(RequestCommand& command) {
    sequencer_.Handle(command.stream, std::move(command.incoming));
  }
  void Do(TickCommand&) { sequencer_.Tick(); }

  Counters counters_;
  std::unique_ptr<ThreadExecutor> own_executor_;
  Executor* executor_;
  const auth::TableSlot* const tables_;
  Mailbox mailbox_;
  std::mutex running_;   // held by the hub's turns, so that Stop can wait for one
  Sequencer sequencer_;  // guarded by running_, as are the following
  Mail mail_;            // taken; empty between turns
  bool pass_posted_ = false;
  bool stopped_ = false;
  std::unique_ptr<Timer> timer_;
};

}  // namespace

std::unique_ptr<WatchHub> WatchHub::Create(const HubOptions& options, StreamSink* sink) {
  METASTORE_CHECK(sink != nullptr, "messages have a sink");
  return std::make_unique<Hub>(WithDefaults(options), sink);
}

}  // namespace metastore::watch
