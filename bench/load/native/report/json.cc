// A result as JSON; see report.h.
#include <string_view>

#include "report/format.h"
#include "report/report.h"

namespace metastore::load {

namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    // What is not plain ASCII comes from a server's words and need not be UTF-8.
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Number(double value) { return Printed("%.10g", value); }
std::string Count(uint64_t value) { return std::to_string(value); }
std::string Micros(int64_t ns) { return Printed("%.3f", static_cast<double>(ns) / 1e3); }

std::string LatencyJson(const Histogram& latency, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(latency.total()) / seconds : 0;
  return "{\"count\":" + Count(latency.total()) + ",\"per_second\":" + Number(rate) +
         ",\"mean_us\":" + Printed("%.3f", latency.mean() / 1e3) +
         ",\"min_us\":" + Micros(latency.min()) + ",\"p50_us\":" + Micros(latency.Quantile(0.5)) +
         ",\"p90_us\":" + Micros(latency.Quantile(0.9)) +
         ",\"p99_us\":" + Micros(latency.Quantile(0.99)) +
         ",\"p999_us\":" + Micros(latency.Quantile(0.999)) +
         ",\"p9999_us\":" + Micros(latency.Quantile(0.9999)) +
         ",\"max_us\":" + Micros(latency.max()) + "}";
}

template <typename Items, typename Write>
std::string Joined(const Items& items, Write&& write) {
  std::string out;
  for (const auto& item : items) {
    const std::string text = write(item);
    if (text.empty()) continue;
    if (!out.empty()) out += ",";
    out += text;
  }
  return out;
}

std::string OperationsJson(const Result& result) {
  size_t op = 0;
  return Joined(result.latency, [&](const Histogram& latency) {
    const std::string name(OpName(static_cast<Op>(op++)));
    if (latency.total() == 0) return std::string();
    return Quoted(name) + ":" + LatencyJson(latency, result.seconds);
  });
}

std::string IntervalsJson(const Result& result) {
  return Joined(result.intervals, [](const Interval& one) {
    return "{\"seconds\":" + Number(one.seconds) + ",\"done\":" + Count(one.done) +
           ",\"errors\":" + Count(one.errors) + ",\"p50_us\":" + Micros(one.latency.Quantile(0.5)) +
           ",\"p99_us\":" + Micros(one.latency.Quantile(0.99)) +
           ",\"max_us\":" + Micros(one.latency.max()) + "}";
  });
}

}  // namespace

std::string JsonReport(const Options& options, const Result& result) {
  const double done = static_cast<double>(result.done() + result.events);
  std::string out = "{\"title\":" + Quoted(options.title) +
                    ",\"load\":" + Quoted(LoadText(options)) +
                    ",\"seconds\":" + Number(result.seconds) +
                    ",\"requests\":" + LatencyJson(result.AllLatencies(), result.seconds);
  out += ",\"operations\":{" + OperationsJson(result) + "}";
  if (options.watch != WatchMode::kNone) {
    out += ",\"events\":" + LatencyJson(result.event_latency, result.seconds);
  }
  out += ",\"failed\":" + Count(result.failed()) + ",\"errors\":{" +
         Joined(result.errors,
                [](const auto& entry) {
                  return Quoted(entry.first) + ":{\"count\":" + Count(entry.second.count) +
                         ",\"sample\":" + Quoted(entry.second.sample) + "}";
                }) +
         "}";
  out += ",\"bytes_sent\":" + Count(result.bytes_sent) +
         ",\"bytes_received\":" + Count(result.bytes_received) +
         ",\"writes\":" + Count(result.writes) +
         ",\"generator_cpu_us_each\":" + Number(done > 0 ? result.cpu_micros / done : 0);
  out += ",\"warm_up_intervals\":" + Count(result.warm_up_intervals) + ",\"intervals\":[" +
         IntervalsJson(result) + "]}\n";
  return out;
}

}  // namespace metastore::load
