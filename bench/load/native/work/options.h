// What to do, as the command line says it. Parsed once by main; read by everything else.
// `metastore_load --help` prints the list with the defaults.
#ifndef METASTORE_LOAD_WORK_OPTIONS_H_
#define METASTORE_LOAD_WORK_OPTIONS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace metastore::load {

/// The last ones prepare a run and cannot be asked for.
enum class Op : uint8_t {
  kGet,
  kScan,
  kPut,
  kTxn,
  kDelete,
  kKeepAlive,
  kGrant,
  kAuthenticate,
  kWatch,
};
inline constexpr size_t kOps = 9;
/// `get`, `scan`, ...
std::string_view OpName(Op op);

struct Endpoint {
  std::string host;
  std::string port;
  std::string Text() const { return host + ":" + port; }
};

enum class Distribution : uint8_t { kUniform, kZipf, kSequential };
enum class WatchMode : uint8_t { kNone, kFanOut, kLatency };

struct Options {
  std::vector<Endpoint> endpoints = {{"127.0.0.1", "2379"}};
  bool tls = false;
  bool verify_peer = true;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;
  std::string user;   // name:password
  std::string token;  // as Authenticate gave it

  uint32_t threads = 1;
  uint32_t connections = 10;
  /// Requests under way at a time; in an open loop at most. 0 until the command line is read: then
  /// 100, or 10,000 in an open loop.
  uint32_t in_flight = 0;
  /// Requests a second of all threads; 0 runs a closed loop.
  double rate = 0;
  double seconds = 10;
  double warm_up_seconds = 1;
  /// Ends after so many requests; 0: after `seconds`.
  uint64_t count = 0;

  /// Shares by Op, summing to any positive number.
  std::array<double, kOps> mix = {};
  bool serializable = false;
  std::string prefix = "load/";
  uint64_t keys = 10'000;
  uint32_t key_bytes = 16;
  uint32_t value_bytes = 256;
  uint32_t span = 10;
  Distribution distribution = Distribution::kUniform;
  double zipf_exponent = 0.99;
  bool preload = true;
  /// An earlier run has put every key: reads have to find them.
  bool is_preloaded = false;
  uint32_t leases = 100;
  uint64_t seed = 1;
  /// Different in each run, for leases; set by main.
  uint64_t run_id = 0;

  WatchMode watch = WatchMode::kNone;
  uint32_t watchers = 1'000;
  uint32_t streams = 10;

  std::string json_file;
  std::string svg_file;
  std::string title;
  bool progress = true;

  double Share(Op op) const { return mix[static_cast<size_t>(op)]; }
};

/// Parses `--name=value` and `--name value`. False with a sentence for the user when something is
/// wrong, or with an empty one when help was asked for.
bool ParseOptions(const std::vector<std::string>& args, Options* out, std::string* error);

std::string HelpText();

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WORK_OPTIONS_H_
