// Bytes of permission tables for tests, as TypeScript makes them; right or, where a test wants it,
// wrong.
#ifndef METASTORE_TEST_SUPPORT_AUTH_TABLES_H_
#define METASTORE_TEST_SUPPORT_AUTH_TABLES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/table.h"
#include "base/bytes.h"
#include "base/check.h"

namespace metastore::auth_test {

using Ranges = std::vector<std::pair<std::string, std::string>>;

struct TestUser {
  std::string name;
  bool is_root = false;
  Ranges read = {};
  Ranges write = {};
};

inline const std::string kZero(1, '\0');

/// The interval that holds one key.
inline std::pair<std::string, std::string> Key(const std::string& key) {
  return {key, key + kZero};
}

inline void AppendText(const std::string& text, std::string* out) {
  AppendLittle32(out, static_cast<uint32_t>(text.size()));
  out->append(text);
}

inline void AppendRanges(const Ranges& ranges, std::string* out) {
  AppendLittle32(out, static_cast<uint32_t>(ranges.size()));
  for (const auto& [key, end] : ranges) {
    AppendText(key, out);
    AppendText(end, out);
  }
}

inline std::string TableBytes(bool enabled, uint64_t revision, const std::vector<TestUser>& users) {
  std::string out{"\x01", 1};
  out.push_back(enabled ? '\1' : '\0');
  AppendLittle64(&out, revision);
  AppendLittle32(&out, static_cast<uint32_t>(users.size()));
  for (const TestUser& user : users) {
    AppendText(user.name, &out);
    out.push_back(user.is_root ? '\1' : '\0');
    AppendRanges(user.read, &out);
    AppendRanges(user.write, &out);
  }
  return out;
}

inline std::shared_ptr<const auth::Table> MakeTable(uint64_t revision,
                                                    const std::vector<TestUser>& users) {
  auto table = auth::Table::Parse(TableBytes(true, revision, users));
  METASTORE_CHECK(table.ok(), "a test's own table");
  return *table;
}

inline std::shared_ptr<const auth::Table> MakeDisabled(uint64_t revision) {
  auto table = auth::Table::Parse(TableBytes(false, revision, {}));
  METASTORE_CHECK(table.ok(), "a test's own table");
  return *table;
}

}  // namespace metastore::auth_test

#endif  // METASTORE_TEST_SUPPORT_AUTH_TABLES_H_
