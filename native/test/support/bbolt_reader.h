// A reader of bbolt files that shares nothing with the writer: it walks every page from the root,
// and holds the file to the rules of the format: checksums, page numbers, order of keys, every page
// used exactly once.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace metastore::testing {

class BboltReader {
 public:
  using Rows = std::vector<std::pair<std::string, std::string>>;

  explicit BboltReader(std::string_view file) : copy_(file), file_(copy_) {}

  /// Buckets in their order; failures are the test's.
  std::map<std::string, Rows> ReadAll() {
    std::map<std::string, Rows> buckets;
    if (file_.size() < 4 * kPage || file_.size() % kPage != 0) {
      ADD_FAILURE() << "a file of " << file_.size() << " bytes";
      return buckets;
    }
    ReadMeta();
    used_ = {0, 1};
    UseFreelist();
    Rows named;
    std::vector<bool> is_bucket;
    Walk(root_, &named, &is_bucket);
    for (size_t i = 0; i < named.size(); i++) {
      EXPECT_TRUE(is_bucket[i]) << named[i].first;
      buckets[named[i].first] = ReadBucket(named[i].second);
    }
    EXPECT_EQ(used_.size(), pages_) << "every page is used";
    EXPECT_EQ(pages_ * kPage, file_.size());
    return buckets;
  }

  size_t inline_buckets = 0;
  size_t depth_max = 0;
  size_t leaves = 0;
  size_t overflow_pages = 0;

 private:
  static constexpr size_t kPage = 4096;

  template <typename T>
  T Number(std::string_view bytes, size_t at) const {
    T value{};
    EXPECT_LE(at + sizeof(T), bytes.size());
    if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
  }

  void ReadMeta() {
    uint64_t best = 0;
    for (uint64_t i = 0; i < 2; i++) {
      const std::string_view page = file_.substr(i * kPage, kPage);
      EXPECT_EQ(Number<uint64_t>(page, 0), i);
      EXPECT_EQ(Number<uint16_t>(page, 8), 4);
      EXPECT_EQ(Number<uint32_t>(page, 16), 0xED0CDAEDu);
      EXPECT_EQ(Number<uint32_t>(page, 20), 2u);
      EXPECT_EQ(Number<uint32_t>(page, 24), kPage);
      uint64_t sum = 0xcbf29ce484222325u;
      for (size_t at = 16; at < 16 + 56; at++) {
        sum = (sum ^ static_cast<unsigned char>(page[at])) * 0x100000001b3u;
      }
      EXPECT_EQ(Number<uint64_t>(page, 72), sum);
      const auto txid = Number<uint64_t>(page, 64);
      if (i > 0 && txid <= best) continue;
      best = txid;
      root_ = Number<uint64_t>(page, 32);
      freelist_ = Number<uint64_t>(page, 48);
      pages_ = Number<uint64_t>(page, 56);
    }
  }

  void UseFreelist() {
    const std::string_view page = file_.substr(freelist_ * kPage, kPage);
    EXPECT_EQ(Number<uint64_t>(page, 0), freelist_);
    EXPECT_EQ(Number<uint16_t>(page, 8), 0x10);
    EXPECT_EQ(Number<uint16_t>(page, 10), 0) << "no page is free";
    EXPECT_TRUE(used_.insert(freelist_).second);
  }

  /// The run of a page; it is used from now on.
  std::string_view Run(uint64_t page) {
    EXPECT_LT(page, pages_);
    if (page >= pages_) return {};
    const std::string_view head = file_.substr(page * kPage, kPage);
    EXPECT_EQ(Number<uint64_t>(head, 0), page);
    const uint64_t overflow = Number<uint32_t>(head, 12);
    overflow_pages += overflow;
    for (uint64_t i = 0; i <= overflow; i++) {
      EXPECT_TRUE(used_.insert(page + i).second) << "page " << page + i << " is used twice";
    }
    return file_.substr(page * kPage, (overflow + 1) * kPage);
  }

  std::string Slice(std::string_view run, size_t at, size_t length) const {
    EXPECT_LE(at + length, run.size());
    return at + length <= run.size() ? std::string(run.substr(at, length)) : std::string();
  }

  void ReadLeaf(std::string_view run, Rows* rows, std::vector<bool>* is_bucket) {
    leaves++;
    const size_t count = Number<uint16_t>(run, 10);
    for (size_t i = 0; i < count; i++) {
      const size_t element = 16 + 16 * i;
      const size_t at = element + Number<uint32_t>(run, element + 4);
      const size_t key = Number<uint32_t>(run, element + 8);
      const size_t value = Number<uint32_t>(run, element + 12);
      rows->emplace_back(Slice(run, at, key), Slice(run, at + key, value));
      if (is_bucket != nullptr) is_bucket->push_back(Number<uint32_t>(run, element) == 1);
      const size_t n = rows->size();
      if (n > 1) {
        EXPECT_LT((*rows)[n - 2].first, (*rows)[n - 1].first);
      }
    }
  }

  void Walk(uint64_t page, Rows* rows, std::vector<bool>* is_bucket, size_t depth = 1) {
    depth_max = std::max(depth_max, depth);
    ASSERT_LT(depth, 12u);
    const std::string_view run = Run(page);
    if (run.empty()) return;
    const auto flags = Number<uint16_t>(run, 8);
    if (flags == 2) return ReadLeaf(run, rows, is_bucket);
    ASSERT_EQ(flags, 1) << "page " << page;
    const size_t count = Number<uint16_t>(run, 10);
    EXPECT_GE(count, 2u) << "a branch of one child";
    for (size_t i = 0; i < count; i++) {
      const size_t element = 16 + 16 * i;
      const size_t at = element + Number<uint32_t>(run, element);
      const std::string key = Slice(run, at, Number<uint32_t>(run, element + 4));
      const size_t first = rows->size();
      Walk(Number<uint64_t>(run, element + 8), rows, is_bucket, depth + 1);
      ASSERT_LT(first, rows->size()) << "an empty leaf below a branch";
      EXPECT_EQ((*rows)[first].first, key) << "a branch names the first key below it";
    }
  }

  Rows ReadBucket(std::string_view value) {
    Rows rows;
    const auto root = Number<uint64_t>(value, 0);
    EXPECT_EQ(Number<uint64_t>(value, 8), 0u) << "sequence";
    if (root == 0) {
      inline_buckets++;
      EXPECT_LE(value.size() - 16, kPage / 4);
      EXPECT_EQ(Number<uint16_t>(value.substr(16), 8), 2);
      ReadLeaf(value.substr(16), &rows, nullptr);
    } else {
      EXPECT_EQ(value.size(), 16u);
      Walk(root, &rows, nullptr);
    }
    return rows;
  }

  const std::string copy_;
  const std::string_view file_;
  uint64_t root_ = 0, freelist_ = 0, pages_ = 0;
  std::set<uint64_t> used_;
};

}  // namespace metastore::testing
