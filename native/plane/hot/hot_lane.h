// HotLane: the hot service on one lane, and HotCall: one call that it serves.
//
// Everything here happens on the lane's thread. A call is looked at when its request is whole: what
// is ordinary is read at once from memory or handed to the core, and answered when its result comes
// by mail; anything else goes on to TypeScript as if it had come there.
#ifndef METASTORE_PLANE_HOT_HOT_LANE_H_
#define METASTORE_PLANE_HOT_HOT_LANE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/caller.h"
#include "intake/queues.h"
#include "member/core.h"
#include "plane/hot/service.h"

namespace metastore::plane {

class HotCall;

class HotLane final : public Service {
 public:
  HotLane(HotService* service, const LaneView& view);
  ~HotLane() override;

  /// Null for other methods, and while the gate is closed.
  std::unique_ptr<Call> Make(CallId id, Wire* wire) override;
  void OnTurnBegin(int64_t now_ns) override { now_ns_ = now_ns; }
  void OnInputBegin() override { gathers_ = true; }
  void OnInputEnd() override;
  /// Tells of what the turn has proposed, hands what it has gathered for the readers to them, and
  /// lets go of the state.
  void OnTurnEnd() override;

  void Expire(const HotExpiry& expiry, CallTable* calls);
  const HotCounts& counts() const { return state_->counts; }

 private:
  friend class HotCall;

  /// Why a call may be served here: what is counted of it and who asks.
  struct Ordinary {
    int version = 0;
    uint32_t gate = 0;
    auth::Caller caller;
  };

  /// Whether the call is an ordinary one, and as what. The caller's name is valid until the next
  /// call is looked at.
  bool Look(const RequestHead& head, HotMethod method, Ordinary* ordinary);
  bool Identify(const RequestHead& head);
  /// Whether the call is a read that will be served together with others of its connection.
  bool Gather(HotCall* call, const Ordinary& ordinary);
  void Ungather(const HotCall* call);
  void ServeGathered();
  void Link(HotCall* call);
  void Unlink(HotCall* call);
  void TellSlow(const HotCall& call, int64_t took_ns, const std::string_view* reply);

  HotCounts& tally() { return state_->counts; }
  member::MemberCore* core() { return service_->core_; }

  HotService* const service_;
  const LaneView view_;
  HotService::LaneState* const state_;
  const std::unique_ptr<member::ResidentReads> resident_;
  int64_t now_ns_ = 0;
  /// Reads of this turn that go to the readers.
  intake::ReadBatch reads_;
  bool proposed_ = false;  // something in this turn
  /// Reads that came in one piece of input; null for those that have ended since.
  struct Gathered {
    HotCall* call = nullptr;
    Ordinary ordinary;
  };
  std::vector<Gathered> gathered_;
  bool gathers_ = false;
  std::string reply_;  // scratch
  auth::HeldCaller caller_;
  /// Calls that may run out of time, in the order in which they began.
  HotCall* oldest_ = nullptr;
  HotCall* newest_ = nullptr;
};

class HotCall final : public Call {
 public:
  HotCall(HotLane* lane, CallId id, Wire* wire, HotMethod method)
      : lane_(lane), wire_(wire), id_(id), method_(method) {}
  ~HotCall() override;

  Call* Target() override { return foreign_ ? foreign_->Target() : this; }
  void OnMessage(std::string message) override;
  void OnHalfClose() override;
  void OnWritten(uint64_t bytes) override;
  void OnEnd() override;
  void OnResult(Code code, std::string_view reply) override;
  void OnAgain() override;

  CallId id() const { return id_; }
  int64_t began_ns() const { return began_ns_; }
  bool is_proposal() const { return state_ == State::kProposed; }
  /// Ends with an error, its result being given up.
  void GiveUp(Code code) { OnResult(code, {}); }

 private:
  friend class HotLane;
  enum class State : uint8_t {
    kOpen,      // the request is not whole
    kGathered,  // is served with what else its connection asks for
    kServing,   // its result comes, sooner or later
    kProposed,  // waits for consensus
    kReadWaits,
    kPostponed,  // its answer was not wanted: it is asked again
    kOver,
  };

  /// It is served here from now on.
  void Begin(const HotLane::Ordinary& ordinary);
  void Ask(const HotLane::Ordinary& ordinary);
  void Submit(const HotLane::Ordinary& ordinary);
  void HandOver();
  /// Answers. `accepted`: what had been asked for was taken in before it came to this.
  void Answer(Code code, std::string_view reply, bool accepted);
  /// The client leaves too much untaken to be given this read's answer: it is asked again later.
  bool IsPostponed(Code code, std::string_view reply);
  HotRequest KindOf(bool is_proposal) const;
  bool waits() const { return state_ == State::kProposed || state_ == State::kReadWaits; }
  /// It is no longer under way.
  void Leave();

  HotLane* const lane_;
  Wire* const wire_;
  const CallId id_;
  const HotMethod method_;
  State state_ = State::kOpen;
  bool has_message_ = false;
  bool is_counted_ = false;  // among those under way
  int64_t began_ns_ = 0;
  std::string message_;
  std::unique_ptr<Call> foreign_;
  HotCall* before_ = nullptr;
  HotCall* after_ = nullptr;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HOT_HOT_LANE_H_
