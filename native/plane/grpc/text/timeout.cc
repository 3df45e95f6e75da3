// See timeout.h.
#include "plane/grpc/text/timeout.h"

#include "plane/grpc/text/text.h"

namespace metastore::plane {
namespace {

/// Eight digits and the unit.
constexpr size_t kLongest = 9;

int64_t UnitNs(char unit) {
  switch (unit) {
    case 'H':
      return int64_t{3600} * 1000 * 1000 * 1000;
    case 'M':
      return int64_t{60} * 1000 * 1000 * 1000;
    case 'S':
      return int64_t{1000} * 1000 * 1000;
    case 'm':
      return 1000 * 1000;
    case 'u':
      return 1000;
    case 'n':
      return 1;
    default:
      return 0;
  }
}

}  // namespace

bool ParseTimeout(std::string_view text, int64_t* ns, std::string* why) {
  const auto refuse = [&](std::string_view reason) {
    why->assign(reason).append(Quote(text));
    return false;
  };
  if (text.size() < 2) return refuse("transport: timeout string is too short: ");
  if (text.size() > kLongest) return refuse("transport: timeout string is too long: ");
  const int64_t unit = UnitNs(text.back());
  if (unit == 0) return refuse("transport: timeout unit is not recognized: ");
  const std::string_view digits = text.substr(0, text.size() - 1);
  int64_t count = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') {
      why->assign("strconv.ParseUint: parsing ").append(Quote(digits)).append(": invalid syntax");
      return false;
    }
    count = count * 10 + (c - '0');
  }
  *ns = count > INT64_MAX / unit ? INT64_MAX : count * unit;
  return true;
}

}  // namespace metastore::plane
