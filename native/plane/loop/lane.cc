// The loop of lane.h.
#include "plane/loop/lane.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace metastore::plane {
namespace {

constexpr int64_t kNsPerMs = 1000000;
/// Rounds of a turn without a look at the sockets.
constexpr int kRounds = 4;
/// How often it is looked whether there is room in the budget again.
constexpr int64_t kBudgetNs = 5 * kNsPerMs;
/// How often it is looked whether clients that have much to take do so.
constexpr int64_t kLookNs = 250 * kNsPerMs;

}  // namespace

Lane::Lane(size_t index, const LaneShared& shared)
    : index_(index),
      shared_(shared),
      plain_options_(shared.session),
      shared_options_(shared.session),
      slots_(index),
      foreign_(this, &events_, shared.events, &counts_.foreign_calls) {
  plain_options_.held_bytes = shared_.held_bytes;
  plain_options_.unsent_bytes = shared_options_.unsent_bytes = shared_.unsent_bytes;
  plain_options_.shares_http = false;
  shared_options_.held_bytes = shared_.held_bytes;
  shared_options_.shares_http = true;
}

Lane::~Lane() { METASTORE_CHECK(!thread_.joinable(), "a lane is joined before it goes"); }

Status Lane::Start(std::vector<ServiceMaker> makers) {
  makers_ = std::move(makers);
  int error = uv_loop_init(&loop_);
  if (error != 0) return Status(Code::kIo, std::string("a lane's loop: ") + uv_strerror(error));
  error = uv_async_init(&loop_, &wake_,
                        [](uv_async_t* handle) { static_cast<Lane*>(handle->data)->BeginTurn(); });
  if (error != 0) {
    uv_loop_close(&loop_);
    return Status(Code::kIo, std::string("a lane's wake-up: ") + uv_strerror(error));
  }
  wake_.data = this;
  uv_prepare_init(&loop_, &prepare_);
  prepare_.data = this;
  uv_prepare_start(&prepare_,
                   [](uv_prepare_t* handle) { static_cast<Lane*>(handle->data)->Settle(); });
  uv_timer_init(&loop_, &timer_);
  timer_.data = this;
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

void Lane::Run() {
#ifdef __linux__
  pthread_setname_np(pthread_self(), ("lane-" + std::to_string(index_)).c_str());
#endif
  read_buffer_ = std::make_unique<char[]>(kReadBytes);
  BeginTurn();
  LaneView view;
  view.lane = index_;
  view.office = shared_.office;
  view.calls = this;
  view.events = shared_.events;
  view.foreign = &foreign_;
  for (const ServiceMaker& make : makers_) services_.push_back(make(view));
  makers_.clear();
  uv_run(&loop_, UV_RUN_DEFAULT);
  METASTORE_CHECK(uv_loop_close(&loop_) == 0, "a lane's loop ends empty");
}

void Lane::Post(std::unique_ptr<Mail> mail) {
  if (mailbox_.Put(std::move(mail))) uv_async_send(&wake_);
}

void Lane::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  class Nothing final : public Mail {
    void Deliver(CallTable*) override {}
  };
  Post(std::make_unique<Nothing>());
}

void Lane::Join() {
  if (thread_.joinable()) thread_.join();
  mailbox_.Close();
}

uint64_t Lane::NextConnection() {
  load_.fetch_add(1, std::memory_order_relaxed);
  shared_.open_connections->fetch_add(1, std::memory_order_relaxed);
  return ((next_connection_.fetch_add(1, std::memory_order_relaxed) + 1) << kLaneBits) | index_;
}

// ---- Turns. ----------------------------------------------------------------------------------

void Lane::BeginTurn() {
  if (in_turn_) return;
  in_turn_ = true;
  mailbox_.Awake();
  now_ns_ = static_cast<int64_t>(uv_hrtime());
  counts_.turns.Add();
  for (const auto& service : services_) service->OnTurnBegin(now_ns_);
}

void Lane::BeginInput() {
  for (const auto& service : services_) service->OnInputBegin();
}

void Lane::EndInput() {
  for (const auto& service : services_) service->OnInputEnd();
}

void Lane::Settle() {
  if (ended_) return;
  for (int i = 0; i < kRounds; ++i) {
    BeginTurn();
    EndTurn();
    if (stopping_.load(std::memory_order_relaxed)) return CloseAll();
    if (dirty_.empty() && mailbox_.Sleep()) {
      in_turn_ = false;
      return ArmTimer();
    }
  }
  // Sockets must not wait for one that takes everything, or for mail that never ends.
  uv_async_send(&wake_);
  in_turn_ = false;
  ArmTimer();
}

void Lane::EndTurn() {
  DeliverMail();
  RunTimers();
  for (const auto& service : services_) service->OnTurnEnd();
  foreign_.OnTurnEnd();
  RelaxWithheld();
  if (!holding_.empty() && now_ns_ >= look_at_ns_) CutStalled();
  if (!parked_.empty() && now_ns_ >= resume_at_ns_) ResumeParked();
  FlushDirty();
  shared_.events->Append(&events_);
  graves_.clear();
  in_turn_ = false;
}

void Lane::DeliverMail() {
  if (!mailbox_.Take(&mail_)) return;
  for (const auto& mail : mail_) mail->Deliver(this);
  mail_.clear();
}

void Lane::RunTimers() {
  for (Timed* timed = timers_.First(); timed != nullptr && timed->due_ns() <= now_ns_;
       timed = timers_.First()) {
    timers_.Remove(timed);
    static_cast<Connection*>(timed)->OnTime();
  }
}

void Lane::FlushDirty() {
  flushing_.swap(dirty_);
  for (Connection* connection : flushing_) connection->set_dirty(false);
  // One that closes stays in memory until the turn is over.
  for (Connection* connection : flushing_) {
    if (connection->Flush()) MarkDirty(connection);
  }
  flushing_.clear();
}

void Lane::RelaxWithheld() {
  if (withheld_.empty()) return;
  // Sessions add late, so that the sum may be below nothing for a moment.
  const auto held = static_cast<int64_t>(shared_.held_bytes->load(std::memory_order_relaxed));
  const auto most = static_cast<int64_t>(shared_.session.held_bytes_most);
  if (held > most - most / 4) return;
  std::vector<uint64_t> relaxed;
  relaxed.swap(withheld_);
  for (const uint64_t number : relaxed) {
    Connection* connection = FindConnection(number);
    if (connection != nullptr) connection->Relax();
  }
}

void Lane::OnHolding(uint64_t connection) {
  if (holding_.empty()) look_at_ns_ = now_ns_ + kLookNs;
  holding_.push_back(connection);
}

void Lane::ResumeParked() {
  resume_at_ns_ = now_ns_ + kBudgetNs;
  std::vector<uint64_t> waiting;
  waiting.swap(parked_);
  for (const uint64_t number : waiting) {
    Connection* connection = FindConnection(number);
    if (connection != nullptr) connection->Resume();
  }
}

void Lane::CutStalled() {
  look_at_ns_ = now_ns_ + kLookNs;
  std::vector<uint64_t> still;
  std::vector<std::pair<uint64_t, Connection*>> stalled;
  for (const uint64_t number : holding_) {
    Connection* connection = FindConnection(number);
    Session* session = connection == nullptr ? nullptr : connection->session();
    if (session == nullptr) continue;
    const uint64_t bytes = session->Stalled(now_ns_);
    if (session->IsHolding()) still.push_back(number);
    if (bytes > 0) stalled.emplace_back(bytes, connection);
  }
  holding_.swap(still);
  // Sessions add late, so that the sum may be below nothing for a moment.
  auto unsent = static_cast<int64_t>(shared_.unsent_bytes->load(std::memory_order_relaxed));
  const auto most = static_cast<int64_t>(shared_.session.unsent_bytes_most);
  if (unsent <= most - most / 8) return;
  std::sort(stalled.begin(), stalled.end(),
            [](const auto& left, const auto& right) { return left.first > right.first; });
  for (const auto& [bytes, connection] : stalled) {
    if (unsent <= most / 2) break;
    unsent -= static_cast<int64_t>(bytes);
    counts_.cut_off.Add();
    connection->CutOff();
  }
}

void Lane::ArmTimer() {
  const Timed* first = timers_.First();
  int64_t due = first == nullptr ? Timed::kNever : first->due_ns();
  if (!withheld_.empty()) due = std::min(due, now_ns_ + kBudgetNs);
  if (!parked_.empty()) due = std::min(due, std::max(now_ns_, resume_at_ns_));
  if (!holding_.empty()) due = std::min(due, look_at_ns_);
  // One that is armed too early finds nothing due, and arms anew.
  if (due >= armed_ns_) return;
  armed_ns_ = due;
  const int64_t wait_ms = std::max<int64_t>(0, (due - now_ns_ + kNsPerMs - 1) / kNsPerMs);
  uv_update_time(&loop_);
  uv_timer_start(
      &timer_,
      [](uv_timer_t* handle) {
        auto* self = static_cast<Lane*>(handle->data);
        self->armed_ns_ = Timed::kNever;
        self->BeginTurn();
      },
      static_cast<uint64_t>(wait_ms), 0);
}

void Lane::CloseAll() {
  std::vector<Connection*> open;
  open.reserve(connections_.size());
  for (Connection* connection : dirty_) connection->set_dirty(false);
  dirty_.clear();
  for (const auto& [number, connection] : connections_) open.push_back(connection);
  for (Connection* connection : open) connection->Shut();
  METASTORE_CHECK(connections_.empty() && slots_.used() == 0, "a lane ends without calls");
  services_.clear();
  shared_.events->Append(&events_);
  graves_.clear();
  mailbox_.Close();
  ended_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

// ---- Connections and calls. ------------------------------------------------------------------

void Lane::Open(int descriptor, Peer peer, bool shares_http, std::string_view first_bytes) {
  const uint64_t number = peer.connection;
  counts_.connections.Add();
  auto connection = std::make_unique<Connection>(this, descriptor, std::move(peer),
                                                 shares_http ? shared_options_ : plain_options_);
  connections_.emplace(number, connection.get());
  if (!connection->Start(first_bytes)) return Forget(connection.get());
  Connection* const started = connection.release();  // destroys itself
  if (is_draining_) started->Drain();
}

Connection* Lane::FindConnection(uint64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : found->second;
}

void Lane::Forget(Connection* connection) {
  connections_.erase(connection->number());
  timers_.Remove(connection);
  if (connection->is_dirty()) {
    dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), connection), dirty_.end());
  }
  load_.fetch_sub(1, std::memory_order_relaxed);
  shared_.open_connections->fetch_sub(1, std::memory_order_relaxed);
  events_.Closed(connection->number());
}

void Lane::DrainAll() {
  is_draining_ = true;
  for (const auto& [number, connection] : connections_) connection->Drain();
}

void Lane::MarkDirty(Connection* connection) {
  if (connection->is_dirty()) return;
  connection->set_dirty(true);
  dirty_.push_back(connection);
}

Call* Lane::Find(CallId call) {
  const CallSlots::Slot* slot = slots_.Find(call);
  if (slot == nullptr) return nullptr;
  MarkDirty(slot->connection);
  return slot->call->Target();
}

std::unique_ptr<Call> Lane::MakeCall(CallId id, Wire* wire) {
  counts_.calls.Add();
  for (const auto& service : services_) {
    std::unique_ptr<Call> call = service->Make(id, wire);
    if (call != nullptr) return call;
  }
  return foreign_.Make(id, wire);
}

std::unique_ptr<Call> Lane::MakeHttp(CallId id, HttpWire* wire) {
  counts_.calls.Add();
  return foreign_.MakeHttp(id, wire);
}

}  // namespace metastore::plane
