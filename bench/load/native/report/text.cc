// A result in words and columns; see report.h.
#include "report/format.h"
#include "report/report.h"

namespace metastore::load {

namespace {

std::string MixText(const Options& options) {
  double sum = 0;
  for (const double share : options.mix) sum += share;
  std::string text;
  for (size_t op = 0; op < kOps; op++) {
    if (options.mix[op] <= 0) continue;
    if (!text.empty()) text += ", ";
    text += OpName(static_cast<Op>(op));
    if (options.mix[op] < sum) text += " " + Printed("%.4g", options.mix[op] / sum * 100) + " %";
  }
  return text;
}

std::string WatchText(const Options& options) {
  const std::string pace = options.watch == WatchMode::kLatency
                               ? Grouped(options.rate) + " puts/s"
                               : Grouped(options.in_flight) + " puts at a time";
  return "watch: " + Grouped(options.watchers) + " watchers of one key over " +
         Grouped(options.streams) + " streams, " + pace;
}

std::string Row(const std::string& name, const Histogram& latency, double seconds) {
  char line[256];
  auto ms = [](int64_t ns) { return static_cast<double>(ns) / 1e6; };
  std::snprintf(line, sizeof(line), "%-11s %13s %12s %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f\n",
                name.c_str(), Grouped(static_cast<double>(latency.total())).c_str(),
                Grouped(static_cast<double>(latency.total()) / seconds).c_str(),
                latency.mean() / 1e6, ms(latency.Quantile(0.5)), ms(latency.Quantile(0.9)),
                ms(latency.Quantile(0.99)), ms(latency.Quantile(0.999)),
                ms(latency.Quantile(0.9999)), ms(latency.max()));
  return line;
}

}  // namespace

std::string LoadText(const Options& options) {
  if (options.watch != WatchMode::kNone) return WatchText(options);
  std::string text = MixText(options);
  if (options.rate > 0) text += "; " + Grouped(options.rate) + " requests/s (open loop)";
  text += (options.rate > 0 ? ", at most " : "; ") + Grouped(options.in_flight) +
          " in flight over " + Grouped(options.connections) + " connections";
  if (options.serializable) text += ", serializable";
  if (options.tls) text += ", TLS";
  return text;
}

std::string TextReport(const Options& options, const Result& result) {
  const double seconds = std::max(result.seconds, 1e-9);
  std::string text = options.title.empty() ? "" : options.title + "\n";
  text += LoadText(options) + "\n\n";
  text +=
      "operation        answered            /s   mean ms   p50        p90       p99     "
      "p99.9    p99.99       max\n";
  size_t ops = 0;
  for (size_t op = 0; op < kOps; op++) {
    if (result.latency[op].total() == 0) continue;
    ops++;
    text += Row(std::string(OpName(static_cast<Op>(op))), result.latency[op], seconds);
  }
  if (ops > 1) text += Row("all", result.AllLatencies(), seconds);
  if (result.events > 0) text += Row("events", result.event_latency, seconds);
  const double done = static_cast<double>(result.done() + result.events);
  text += "\n" + Printed("%.2f s", seconds) + ", sent " +
          Printed("%.1f MiB", static_cast<double>(result.bytes_sent) / 1048576) + ", received " +
          Printed("%.1f MiB", static_cast<double>(result.bytes_received) / 1048576) +
          "; the generator used " + Printed("%.2f", result.cpu_micros / std::max(done, 1.0)) +
          " us of CPU for each\n";
  if (result.errors.empty()) return text + "errors: none\n";
  text += "errors:\n";
  for (const auto& [what, entry] : result.errors) {
    text += "  " + Grouped(static_cast<double>(entry.count)) + " " + what +
            (entry.sample.empty() ? "" : " (" + entry.sample + ")") + "\n";
  }
  return text;
}

}  // namespace metastore::load
