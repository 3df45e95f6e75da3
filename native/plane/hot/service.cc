// What the lanes of service.h share, and the way of results to them.
#include "plane/hot/service.h"

#include <chrono>
#include <mutex>
#include <string>
#include <utility>

#include "plane/hot/hot_lane.h"

namespace metastore::plane {
namespace {

constexpr int64_t kNsPerMs = 1000000;

int64_t NowNs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

/// One mail for each lane and batch. Kept by the core and by mail, and good for nothing once the
/// plane is detached.
class HotResults final : public apply::ResultSink, public std::enable_shared_from_this<HotResults> {
 public:
  HotResults(member::MemberCore* core, PostOffice* office) : core_(core), office_(office) {}

  void Results(size_t lane, std::string records) override {
    auto mail = std::make_unique<ResultMail>(shared_from_this(), std::move(records));
    std::lock_guard<std::mutex> lock(office_mutex_);
    if (office_ != nullptr) office_->Post(lane, std::move(mail));
  }
  void Delivered(size_t bytes) {
    std::lock_guard<std::mutex> lock(core_mutex_);
    if (core_ != nullptr) core_->ResultsDelivered(bytes);
  }
  void Detach() {
    {
      std::lock_guard<std::mutex> lock(core_mutex_);
      core_ = nullptr;
    }
    std::lock_guard<std::mutex> lock(office_mutex_);
    office_ = nullptr;
  }

 private:
  class ResultMail final : public Mail {
   public:
    ResultMail(std::shared_ptr<HotResults> results, std::string records)
        : results_(std::move(results)), records_(std::move(records)) {}
    /// Dropped or delivered, they wait no longer.
    ~ResultMail() override { results_->Delivered(records_.size()); }

    void Deliver(CallTable* calls) override {
      std::string_view rest = records_;
      apply::PlaneResult result;
      while (apply::NextPlaneResult(&rest, &result)) {
        Call* call = calls->Find(result.call);
        if (call != nullptr) call->OnResult(result.code, result.reply);
      }
    }

   private:
    const std::shared_ptr<HotResults> results_;
    const std::string records_;
  };

  // Two, since an office that has closed drops mail within Post.
  std::mutex core_mutex_;
  member::MemberCore* core_;  // guarded by core_mutex_
  std::mutex office_mutex_;
  PostOffice* office_;  // guarded by office_mutex_
};

class HotService::ExpiryMail final : public Mail {
 public:
  ExpiryMail(HotService* service, size_t lane, const HotExpiry& expiry)
      : service_(service), lane_(lane), expiry_(expiry) {}
  void Deliver(CallTable* calls) override {
    HotLane* lane = service_->lanes_[lane_].lane;
    if (lane != nullptr) lane->Expire(expiry_, calls);
  }

 private:
  HotService* const service_;
  const size_t lane_;
  const HotExpiry expiry_;
};

HotService::HotService(member::MemberCore* core, const Gate* gate, PostOffice* office,
                       const HotOptions& options)
    : core_(core),
      gate_(gate),
      office_(office),
      options_(options),
      results_(std::make_shared<HotResults>(core, office)) {
  core->SetResultSink(results_);
}

HotService::~HotService() { Detach(); }

std::unique_ptr<HotLane> HotService::MakeLane(const LaneView& lane) {
  auto made = std::make_unique<HotLane>(this, lane);
  lanes_[lane.lane].lane = made.get();
  return made;
}

void HotService::Detach() { results_->Detach(); }

void HotService::LearnToken(std::string_view token, std::string_view user, uint64_t auth_revision,
                            int64_t valid_ms) {
  tokens_.Learn(token, user, auth_revision, NowNs() + valid_ms * kNsPerMs);
}

void HotService::Expire(const HotExpiry& expiry) {
  for (size_t lane = 0; lane < office_->lanes(); ++lane) {
    if (lanes_[lane].counts.waiting.Get() == 0) continue;
    office_->Post(lane, std::make_unique<ExpiryMail>(this, lane, expiry));
  }
}

std::vector<double> HotService::Numbers() const {
  std::vector<double> numbers(HotCounts::kNumbers);
  for (const LaneState& lane : lanes_) lane.counts.AddTo(numbers.data());
  return numbers;
}

std::vector<ClientVersions::Count> HotService::Versions() const {
  std::vector<ClientVersions::Count> versions;
  for (const LaneState& lane : lanes_) lane.versions.AddTo(&versions);
  return versions;
}

}  // namespace metastore::plane
