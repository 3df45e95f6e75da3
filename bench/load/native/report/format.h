// Numbers as people read them: in groups of three digits, times in milliseconds.
// Used by the progress lines and the reports.
#ifndef METASTORE_LOAD_REPORT_FORMAT_H_
#define METASTORE_LOAD_REPORT_FORMAT_H_

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

namespace metastore::load {

/// `printf` for one number.
inline std::string Printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

/// `1,234,567`; numbers below 100 keep one digit of a fraction that they have.
inline std::string Grouped(double value) {
  if (value < 100 && value != std::floor(value)) return Printed("%.1f", value);
  const std::string digits = Printed("%.0f", value);
  std::string grouped;
  for (size_t at = 0; at < digits.size(); at++) {
    if (at > 0 && (digits.size() - at) % 3 == 0) grouped += ',';
    grouped += digits[at];
  }
  return grouped;
}

/// Nanoseconds as `1.234 ms`.
inline std::string Milliseconds(int64_t ns) {
  return Printed("%.3f ms", static_cast<double>(ns) / 1e6);
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_REPORT_FORMAT_H_
