// Fixed-width integers and the bounds of ByteReader.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace metastore {
namespace {

TEST(Bytes, KnownLayouts) {
  std::string out;
  AppendLittle32(&out, 0x01020304);
  AppendBig32(&out, 0x01020304);
  AppendLittle64(&out, 0x0102030405060708);
  AppendBig64(&out, 0x0102030405060708);
  EXPECT_EQ(out, std::string("\4\3\2\1\1\2\3\4\10\7\6\5\4\3\2\1\1\2\3\4\5\6\7\10"));
  EXPECT_EQ(GetLittle32(out.data()), 0x01020304u);
  EXPECT_EQ(GetBig32(out.data() + 4), 0x01020304u);
  EXPECT_EQ(GetLittle64(out.data() + 8), 0x0102030405060708u);
  EXPECT_EQ(GetBig64(out.data() + 16), 0x0102030405060708u);
}

TEST(Bytes, PutAndAppendAgree) {
  char raw[8];
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 63}) {
    std::string appended;
    AppendBig64(&appended, value);
    PutBig64(raw, value);
    EXPECT_EQ(appended, std::string(raw, 8));
    appended.clear();
    AppendLittle32(&appended, static_cast<uint32_t>(value));
    PutLittle32(raw, static_cast<uint32_t>(value));
    EXPECT_EQ(appended, std::string(raw, 4));
  }
}

TEST(ByteReader, ReadsInOrder) {
  std::string bytes("\7");
  AppendLittle32(&bytes, 5);
  AppendBig64(&bytes, 6);
  AppendLittle64(&bytes, 8);
  AppendBig32(&bytes, 9);
  bytes.append("rest");
  ByteReader reader(bytes);
  uint8_t byte = 0;
  uint32_t small = 0;
  uint64_t large = 0;
  std::string_view view;
  EXPECT_TRUE(reader.ReadByte(&byte));
  EXPECT_EQ(byte, 7);
  EXPECT_TRUE(reader.ReadLittle32(&small));
  EXPECT_EQ(small, 5u);
  EXPECT_TRUE(reader.ReadBig64(&large));
  EXPECT_EQ(large, 6u);
  EXPECT_TRUE(reader.ReadLittle64(&large));
  EXPECT_EQ(large, 8u);
  EXPECT_TRUE(reader.ReadBig32(&small));
  EXPECT_EQ(small, 9u);
  EXPECT_TRUE(reader.ReadBytes(0, &view));
  EXPECT_FALSE(reader.ReadBytes(5, &view));
  EXPECT_EQ(reader.rest(), "rest");
  EXPECT_TRUE(reader.ReadBytes(4, &view));
  EXPECT_EQ(view, "rest");
  EXPECT_TRUE(reader.AtEnd());
  EXPECT_FALSE(reader.ReadByte(&byte));
}

TEST(ByteReader, MovesNothingWhenBytesAreMissing) {
  for (size_t length = 0; length < 8; ++length) {
    const std::string bytes(length, 'x');
    ByteReader reader(bytes);
    uint64_t value = 42;
    EXPECT_FALSE(reader.ReadLittle64(&value));
    EXPECT_FALSE(reader.ReadBig64(&value));
    EXPECT_EQ(value, 42u);
    EXPECT_EQ(reader.rest().size(), length);
    std::string_view view;
    EXPECT_FALSE(reader.ReadBytes(SIZE_MAX, &view));
  }
}

TEST(Hash, DependsOnEveryByteTheLengthAndTheSeed) {
  for (size_t length = 0; length < 70; ++length) {
    const std::string text(length, 'a');
    const uint64_t hash = HashBytes(text, 1);
    EXPECT_EQ(hash, HashBytes(std::string(length, 'a'), 1));
    EXPECT_NE(hash, HashBytes(text, 2));
    EXPECT_NE(hash, HashBytes(text + std::string(1, '\0'), 1));
    for (size_t i = 0; i < length; ++i) {
      std::string other = text;
      other[i] = 'b';
      EXPECT_NE(hash, HashBytes(other, 1)) << length << " " << i;
    }
  }
}

TEST(Hash, SpreadsCountedKeysOverTopAndLowBits) {
  constexpr int kKeys = 51200, kBuckets = 512;
  std::vector<int> top(kBuckets), low(kBuckets);
  for (int i = 0; i < kKeys; ++i) {
    const uint64_t hash = HashBytes("/registry/pods/" + std::to_string(i), 3);
    ++top[hash >> 55];
    ++low[hash % kBuckets];
  }
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    EXPECT_LT(top[bucket], 200);  // 100 on average
    EXPECT_LT(low[bucket], 200);
  }
}

}  // namespace
}  // namespace metastore
