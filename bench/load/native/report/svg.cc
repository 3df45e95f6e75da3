// A result as a chart; see report.h. Plain SVG 1.1 that any browser shows, without scripts.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include "report/format.h"
#include "report/report.h"

namespace metastore::load {

namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 90;
constexpr double kRight = 870;

struct Panel {
  double top;
  double bottom;
  double y_max;
  double Y(double value) const { return bottom - (bottom - top) * std::min(value, y_max) / y_max; }
};

std::string Text(double x, double y, std::string_view anchor, std::string_view text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return "<text x=\"" + Printed("%.1f", x) + "\" y=\"" + Printed("%.1f", y) + "\" text-anchor=\"" +
         std::string(anchor) + "\">" + safe + "</text>\n";
}

std::string Line(double x1, double y1, double x2, double y2, std::string_view colour) {
  return "<path d=\"M" + Printed("%.1f", x1) + " " + Printed("%.1f", y1) + "L" +
         Printed("%.1f", x2) + " " + Printed("%.1f", y2) + "\" stroke=\"" + std::string(colour) +
         "\" fill=\"none\"/>\n";
}

std::string Curve(const std::vector<std::pair<double, double>>& points, std::string_view colour) {
  std::string path;
  for (const auto& [x, y] : points) {
    path += (path.empty() ? "M" : "L") + Printed("%.1f", x) + " " + Printed("%.1f", y);
  }
  return "<path d=\"" + path + "\" stroke=\"" + std::string(colour) +
         "\" stroke-width=\"2\" fill=\"none\"/>\n";
}

/// The next of 1, 2, 5, 10, 20, ... that is not below the value.
double RoundUp(double value) {
  double unit = std::pow(10, std::floor(std::log10(std::max(value, 1e-6))));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (unit * factor >= value) return unit * factor;
  }
  return unit * 10;
}

std::string Frame(const Panel& panel, std::string_view title, std::string_view unit) {
  std::string out = Text(kLeft, panel.top - 8, "start", title);
  for (int step = 0; step <= 4; step++) {
    const double value = panel.y_max * step / 4;
    const double y = panel.Y(value);
    out += Line(kLeft, y, kRight, y, step == 0 ? "#333" : "#ddd");
    out += Text(kLeft - 6, y + 4, "end", Grouped(value) + std::string(unit));
  }
  return out;
}

std::string OverTime(const Result& result, const Panel& panel, std::string_view colour,
                     const std::function<double(const Interval&)>& value) {
  double total = 0;
  for (const Interval& one : result.intervals) total += one.seconds;
  std::vector<std::pair<double, double>> points;
  double at = 0;
  for (const Interval& one : result.intervals) {
    const double middle = at + one.seconds / 2;
    at += one.seconds;
    points.emplace_back(kLeft + (kRight - kLeft) * middle / std::max(total, 1e-9),
                        panel.Y(value(one)));
  }
  return Curve(points, colour);
}

double Largest(const Result& result, const std::function<double(const Interval&)>& value) {
  double largest = 0;
  for (const Interval& one : result.intervals) largest = std::max(largest, value(one));
  return RoundUp(largest);
}

/// Latency against share: 50 % to 99.99 %, each nine as wide as the one before.
std::string ByShare(const Histogram& latency, double top, double bottom) {
  constexpr double kNines = 4;
  const double most = static_cast<double>(latency.Quantile(1 - std::pow(10, -kNines))) / 1e6;
  const Panel panel = {top, bottom, RoundUp(most)};
  std::string out = Frame(panel, "latency by share of the requests (ms)", "");
  std::vector<std::pair<double, double>> points;
  constexpr int kSteps = 200;
  for (int step = 0; step <= kSteps; step++) {
    const double nines = kNines * step / kSteps;
    const double value = static_cast<double>(latency.Quantile(1 - std::pow(10, -nines))) / 1e6;
    points.emplace_back(kLeft + (kRight - kLeft) * nines / kNines, panel.Y(value));
  }
  const std::string_view labels[] = {"0 %", "90 %", "99 %", "99.9 %", "99.99 %"};
  for (int nine = 0; nine <= 4; nine++) {
    out += Text(kLeft + (kRight - kLeft) * nine / kNines, bottom + 18, "middle", labels[nine]);
  }
  return out + Curve(points, "#b5179e");
}

}  // namespace

std::string SvgReport(const Options& options, const Result& result) {
  auto rate = [](const Interval& one) {
    return one.seconds > 0 ? static_cast<double>(one.done) / one.seconds : 0;
  };
  auto p99 = [](const Interval& one) {
    return static_cast<double>(one.latency.Quantile(0.99)) / 1e6;
  };
  auto p50 = [](const Interval& one) {
    return static_cast<double>(one.latency.Quantile(0.5)) / 1e6;
  };
  const bool watches = options.watch != WatchMode::kNone;
  const Histogram latency = watches ? result.event_latency : result.AllLatencies();
  const Panel upper = {80, 230, Largest(result, rate)};
  const Panel lower = {290, 440, Largest(result, p99)};
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 700\" width=\"" +
                    Printed("%.0f", kWidth) +
                    "\" height=\"700\" font-family=\"sans-serif\" font-size=\"13\">\n"
                    "<rect width=\"900\" height=\"700\" fill=\"white\"/>\n";
  out += Text(kLeft, 24, "start", options.title.empty() ? "metastore_load" : options.title);
  out += Text(kLeft, 44, "start", LoadText(options));
  out += Frame(upper, watches ? "events a second" : "requests a second", "");
  out += OverTime(result, upper, "#4361ee", rate);
  out += Frame(lower, "latency over time: p99 (red), p50 (blue), ms", "");
  out += OverTime(result, lower, "#d62828", p99) + OverTime(result, lower, "#4361ee", p50);
  out += ByShare(latency, 500, 650);
  return out + "</svg>\n";
}

}  // namespace metastore::load
