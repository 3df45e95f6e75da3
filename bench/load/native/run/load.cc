// A whole run; see load.h.
#include "run/load.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "report/format.h"
#include "run/watch_worker.h"
#include "run/worker.h"

namespace metastore::load {

namespace {

constexpr uint32_t kPreparingInFlight = 100;

/// Options for a part of a run that does one thing to each of so many keys.
Options Once(const Options& options, Op op, uint64_t count) {
  Options once = options;
  once.mix = {};
  once.mix[static_cast<size_t>(op)] = 1;
  once.count = count;
  once.rate = 0;
  once.distribution = Distribution::kSequential;
  once.connections = std::min(options.connections, 10u);
  once.in_flight = static_cast<uint32_t>(std::min<uint64_t>(count, kPreparingInFlight));
  return once;
}

/// Runs one preparing part; false when any request of it fails.
bool Prepare(Part part, TlsContext* tls, std::string* error, std::string* token) {
  const Op op = [&] {
    size_t at = 0;
    while (part.options.mix[at] == 0) at++;
    return static_cast<Op>(at);
  }();
  Board board(1, "requests", false);
  Worker worker(std::move(part), tls, &board);
  if (!worker.Run(error)) return false;
  for (const auto& [what, entry] : worker.result().errors) {
    *error = "preparing by " + std::string(OpName(op)) + ": " + what + " (" + entry.sample + ")";
    return false;
  }
  if (token != nullptr) *token = worker.token();
  return true;
}

bool PrepareAll(const Options& options, TlsContext* tls, Part* part, std::string* error) {
  part->token = options.token;
  if (!options.user.empty()) {
    const Options once = Once(options, Op::kAuthenticate, 1);
    if (!Prepare({once, 0, 1, false, ""}, tls, error, &part->token)) return false;
  }
  const bool reads = options.Share(Op::kGet) > 0 || options.Share(Op::kScan) > 0;
  part->must_find = options.is_preloaded && options.Share(Op::kDelete) == 0;
  if (reads && options.preload && !options.is_preloaded) {
    const Options once = Once(options, Op::kPut, options.keys);
    if (!Prepare({once, 0, 1, false, part->token}, tls, error, nullptr)) return false;
    part->must_find = options.Share(Op::kDelete) == 0;
  }
  if (options.Share(Op::kKeepAlive) > 0) {
    const Options once = Once(options, Op::kGrant, options.leases);
    if (!Prepare({once, 0, 1, false, part->token}, tls, error, nullptr)) return false;
  }
  return true;
}

/// `whole` in so many nearly equal parts; the `index`-th.
template <typename Number>
Number Share(Number whole, uint32_t index, uint32_t parts) {
  return whole * (index + 1) / parts - whole * index / parts;
}

Part PartOf(const Part& whole, uint32_t index, uint32_t workers) {
  Part part = whole;
  part.worker = index;
  part.workers = workers;
  const Options& all = whole.options;
  part.options.connections =
      static_cast<uint32_t>(Share<uint64_t>(all.connections, index, workers));
  part.options.in_flight = static_cast<uint32_t>(Share<uint64_t>(all.in_flight, index, workers));
  part.options.count = Share<uint64_t>(all.count, index, workers);
  part.options.rate = all.rate / workers;
  // Endpoints in turn over all workers, not from the first one in each.
  auto& endpoints = part.options.endpoints;
  std::rotate(endpoints.begin(), endpoints.begin() + index % endpoints.size(), endpoints.end());
  return part;
}

bool RunWorkers(const Part& whole, TlsContext* tls, Result* result, std::string* error) {
  const Options& options = whole.options;
  uint32_t workers = std::min({options.threads, options.connections, options.in_flight});
  if (options.count > 0) {
    workers = static_cast<uint32_t>(std::min<uint64_t>(workers, options.count));
  }
  Board board(workers, "requests", options.progress);
  std::vector<std::unique_ptr<Worker>> all;
  for (uint32_t index = 0; index < workers; index++) {
    all.push_back(std::make_unique<Worker>(PartOf(whole, index, workers), tls, &board));
  }
  std::vector<std::string> errors(workers);
  std::vector<std::thread> threads;
  for (uint32_t index = 0; index < workers; index++) {
    threads.emplace_back([&, index] { all[index]->Run(&errors[index]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t index = 0; index < workers; index++) {
    if (!errors[index].empty()) *error = errors[index];
    result->Merge(all[index]->result());
  }
  return error->empty();
}

/// Every write has a revision of its own: fewer revisions than acknowledged writes are a lie.
void CheckRevisions(Result* result) {
  if (result->writes == 0) return;
  const auto span = static_cast<uint64_t>(result->revision_high - result->revision_low) + 1;
  if (span >= result->writes) return;
  result->AddError("wrong answer", Grouped(static_cast<double>(result->writes)) +
                                       " writes were acknowledged with only " +
                                       Grouped(static_cast<double>(span)) + " revisions");
}

}  // namespace

bool RunLoad(const Options& options, Result* result, std::string* error) {
  std::shared_ptr<TlsContext> tls;
  if (options.tls) {
    tls = TlsContext::Create(options, error);
    if (tls == nullptr) return false;
  }
  Part whole;
  whole.options = options;
  if (!PrepareAll(options, tls.get(), &whole, error)) return false;
  if (options.watch != WatchMode::kNone) {
    Board board(1, "events", options.progress);
    WatchWorker worker(options, whole.token, tls.get(), &board);
    if (!worker.Run(error)) return false;
    result->Merge(worker.result());
  } else if (!RunWorkers(whole, tls.get(), result, error)) {
    return false;
  }
  CheckRevisions(result);
  return true;
}

}  // namespace metastore::load
