// The command line; see options.h. Every option is one row of a table, from which parsing and the
// help text are both made.
#include "work/options.h"

#include <algorithm>
#include <charconv>
#include <functional>

namespace metastore::load {

namespace {

constexpr std::array<std::string_view, kOps> kNames = {
    "get", "scan", "put", "txn", "delete", "keepalive", "grant", "authenticate", "watch"};
constexpr size_t kAskable = 6;

struct Row {
  std::string_view name;
  std::string_view argument;  // empty: a switch
  std::string_view help;
  std::function<bool(std::string_view, Options*)> set;
};

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename Number>
bool Parse(std::string_view text, Number low, Number high, Number* out) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || !(value >= low && value <= high)) return false;
  *out = value;
  return true;
}

bool ParseEndpoints(std::string_view text, Options* out) {
  out->endpoints.clear();
  for (std::string_view one : Split(text, ',')) {
    if (one.starts_with("https://")) {
      out->tls = true;
      one.remove_prefix(8);
    } else if (one.starts_with("http://")) {
      one.remove_prefix(7);
    }
    const size_t colon = one.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == one.size()) return false;
    std::string_view host = one.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    out->endpoints.push_back({std::string(host), std::string(one.substr(colon + 1))});
  }
  return !out->endpoints.empty();
}

bool ParseMix(std::string_view text, Options* out) {
  out->mix = {};
  double sum = 0;
  for (const std::string_view part : Split(text, ',')) {
    const size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    double share = 1;
    if (equals != std::string_view::npos && !Parse(part.substr(equals + 1), 0.0, 1e9, &share)) {
      return false;
    }
    size_t op = 0;
    while (op < kAskable && kNames[op] != name) op++;
    if (op == kAskable) return false;
    out->mix[op] += share;
    sum += share;
  }
  return sum > 0;
}

bool ParseDistribution(std::string_view text, Options* out) {
  const std::vector<std::string_view> parts = Split(text, ':');
  if (parts.size() > 2 || (parts.size() == 2 && parts[0] != "zipf")) return false;
  if (parts.size() == 2 && !Parse(parts[1], 0.01, 0.999, &out->zipf_exponent)) return false;
  out->distribution = parts[0] == "zipf"         ? Distribution::kZipf
                      : parts[0] == "sequential" ? Distribution::kSequential
                                                 : Distribution::kUniform;
  return parts[0] == "zipf" || parts[0] == "sequential" || parts[0] == "uniform";
}

bool ParseWatch(std::string_view text, Options* out) {
  out->watch = text == "fan-out"   ? WatchMode::kFanOut
               : text == "latency" ? WatchMode::kLatency
                                   : WatchMode::kNone;
  return out->watch != WatchMode::kNone;
}

/// Rows for a member of Options.
template <typename Number>
auto Into(Number Options::*member, Number low, Number high) {
  return [=](std::string_view text, Options* out) {
    return Parse<Number>(text, low, high, &(out->*member));
  };
}
auto Into(std::string Options::*member) {
  return [=](std::string_view text, Options* out) {
    out->*member = text;
    return true;
  };
}
auto Switch(bool Options::*member, bool value) {
  return [=](std::string_view, Options* out) {
    out->*member = value;
    return true;
  };
}

std::vector<Row> ServerRows() {
  return {
      {"endpoints", "list", "host:port,... or http(s)://host:port,...; default 127.0.0.1:2379",
       ParseEndpoints},
      {"tls", "", "speak TLS; implied by https://", Switch(&Options::tls, true)},
      {"cacert", "file", "certificates to trust in PEM", Into(&Options::ca_file)},
      {"cert", "file", "our certificate in PEM", Into(&Options::cert_file)},
      {"key", "file", "our private key in PEM", Into(&Options::key_file)},
      {"server-name", "name", "the name to ask for and to verify", Into(&Options::server_name)},
      {"insecure-skip-verify", "", "take any certificate", Switch(&Options::verify_peer, false)},
      {"user", "name:password", "authenticate first", Into(&Options::user)},
      {"token", "token", "send this token with every request", Into(&Options::token)},
  };
}

std::vector<Row> LoadRows() {
  return {
      {"mix", "list", "shares of get, scan, put, txn, delete, keepalive; default put=1", ParseMix},
      {"threads", "n", "threads of the generator; default 1",
       Into(&Options::threads, uint32_t{1}, uint32_t{64})},
      {"connections", "n", "over all threads; default 10",
       Into(&Options::connections, uint32_t{1}, uint32_t{100'000})},
      {"in-flight", "n", "requests under way at a time; default 100, in an open loop at most 10000",
       Into(&Options::in_flight, uint32_t{1}, uint32_t{1'000'000})},
      {"rate", "n", "open loop: requests a second, timed from when they should be sent",
       Into(&Options::rate, 0.1, 1e8)},
      {"duration", "s", "seconds to measure; default 10", Into(&Options::seconds, 0.01, 1e6)},
      {"warm-up", "s", "seconds before that; default 1", Into(&Options::warm_up_seconds, 0.0, 1e6)},
      {"count", "n", "end after so many requests (watch: puts), without warm-up",
       Into(&Options::count, uint64_t{1}, uint64_t{1} << 53)},
      {"serializable", "", "reads of the member's own state", Switch(&Options::serializable, true)},
      {"keys", "n", "different keys; default 10000",
       Into(&Options::keys, uint64_t{1}, uint64_t{1} << 40)},
      {"distribution", "name", "uniform (default), zipf[:exponent below 1], sequential",
       ParseDistribution},
      {"prefix", "text", "what keys begin with; default load/", Into(&Options::prefix)},
      {"key-size", "bytes", "of a key, prefix included; default 16",
       Into(&Options::key_bytes, uint32_t{1}, uint32_t{65'536})},
      {"value-size", "bytes", "of a value; default 256",
       Into(&Options::value_bytes, uint32_t{0}, uint32_t{16} << 20)},
      {"span", "n", "keys that a scan reads; default 10",
       Into(&Options::span, uint32_t{1}, uint32_t{1'000'000})},
      {"no-preload", "", "do not put every key first; reads may then find nothing",
       Switch(&Options::preload, false)},
      {"preloaded", "", "every key is there from an earlier run; reads have to find them",
       Switch(&Options::is_preloaded, true)},
      {"leases", "n", "leases to grant for keepalive; default 100",
       Into(&Options::leases, uint32_t{1}, uint32_t{10'000'000})},
      {"seed", "n", "of the choices; default 1", Into(&Options::seed, uint64_t{0}, UINT64_MAX)},
  };
}

std::vector<Row> OtherRows() {
  return {
      {"watch", "mode",
       "fan-out: puts to one key as fast as their events arrive (--in-flight puts at a time); "
       "latency: --rate puts a second",
       ParseWatch},
      {"watchers", "n", "on the one key; default 1000",
       Into(&Options::watchers, uint32_t{1}, uint32_t{10'000'000})},
      {"streams", "n", "that carry the watchers; default 10",
       Into(&Options::streams, uint32_t{1}, uint32_t{1'000'000})},
      {"json", "file", "write the result as JSON; - for standard output",
       Into(&Options::json_file)},
      {"svg", "file", "write a chart", Into(&Options::svg_file)},
      {"title", "text", "of the reports", Into(&Options::title)},
      {"no-progress", "", "nothing once a second", Switch(&Options::progress, false)},
  };
}

std::vector<Row> AllRows() {
  std::vector<Row> rows = ServerRows();
  for (auto* part : {&LoadRows, &OtherRows}) {
    for (Row& row : part()) rows.push_back(std::move(row));
  }
  return rows;
}

/// What only the whole of the options can show.
std::string Contradiction(const Options& options) {
  if (options.key_bytes < options.prefix.size() + 4) {
    return "--key-size leaves fewer than four digits behind --prefix";
  }
  double digits = 1;
  for (size_t at = options.prefix.size(); at < options.key_bytes && digits < 1e18; at++) {
    digits *= 10;
  }
  if (static_cast<double>(options.keys + options.span) > digits)
    return "--key-size is too small for --keys";
  if (options.cert_file.empty() != options.key_file.empty()) return "--cert and --key go together";
  if (options.watch == WatchMode::kLatency && options.rate == 0) {
    return "--watch=latency needs --rate";
  }
  if (options.watch != WatchMode::kNone && options.value_bytes < 16) {
    return "--watch needs values of 16 bytes or more";
  }
  return "";
}

}  // namespace

std::string_view OpName(Op op) { return kNames[static_cast<size_t>(op)]; }

bool ParseOptions(const std::vector<std::string>& args, Options* out, std::string* error) {
  const std::vector<Row> rows = AllRows();
  out->mix[static_cast<size_t>(Op::kPut)] = 1;
  for (size_t at = 0; at < args.size(); at++) {
    std::string_view text = args[at];
    if (text == "--help" || text == "-h") return false;
    if (!text.starts_with("--")) {
      *error = "what is " + std::string(text) + "?";
      return false;
    }
    text.remove_prefix(2);
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const Row* row = nullptr;
    for (const Row& one : rows) {
      if (one.name == name) row = &one;
    }
    const bool has_value = equals != std::string_view::npos;
    if (row == nullptr || (row->argument.empty() && has_value)) {
      *error = "no such option: --" + std::string(text);
      return false;
    }
    std::string_view value = has_value ? text.substr(equals + 1) : std::string_view();
    if (!row->argument.empty() && !has_value) {
      if (++at == args.size()) {
        *error = "--" + std::string(name) + " needs a value";
        return false;
      }
      value = args[at];
    }
    if (!row->set(value, out)) {
      *error = "--" + std::string(name) + " cannot be " + std::string(value);
      return false;
    }
  }
  if (out->in_flight == 0) out->in_flight = out->rate > 0 ? 10'000 : 100;
  *error = Contradiction(*out);
  return error->empty();
}

std::string HelpText() {
  std::string text = "metastore_load: a load generator for etcd's v3 API\n\n";
  for (const Row& row : AllRows()) {
    std::string left = "  --" + std::string(row.name);
    if (!row.argument.empty()) left += "=<" + std::string(row.argument) + ">";
    left.resize(std::max<size_t>(left.size() + 1, 30), ' ');
    text += left + std::string(row.help) + "\n";
  }
  text +=
      "\nEnds with 0 when every answer was right, 1 when it could not run, 3 when requests failed\n"
      "or were answered wrongly.\n";
  return text;
}

}  // namespace metastore::load
