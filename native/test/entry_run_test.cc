// Entry runs and forwards: what is sent comes out as it went in, and bytes from anybody are refused
// or understood, never believed.
#include "member/entries/entry_run.h"

#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "intake/raft_request.h"
#include "member/entries/forwards.h"
#include "test/support/wire_builder.h"

namespace metastore::member {
namespace {

using wire_test::Bytes;
using wire_test::Field;
using wire_test::Number;

std::string PutBody(const std::string& key) { return Bytes(1, key) + Bytes(2, "value"); }

std::string PutPayload(uint64_t id, const std::string& key) {
  return intake::EncodeEntry({id, {}, 0}, intake::kFieldPut, PutBody(key), {});
}

intake::Payload Share(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

wal::Entry Entry(uint64_t term, uint8_t type, std::optional<std::string> data) {
  return {0, term, type, data ? Share(*data) : nullptr};
}

/// A leader's empty entry, puts, a conf change without and one with data.
std::vector<wal::Entry> Mixed() {
  return {Entry(3, 0, std::nullopt),  Entry(3, 0, PutPayload(7, "a")),
          Entry(3, 1, "conf change"), Entry(4, 2, std::nullopt),
          Entry(4, 0, std::string()), Entry(5, 0, PutPayload(8, std::string(3000, 'k')))};
}

std::string Encode(const std::vector<wal::Entry>& entries) {
  std::string run;
  AppendEntryRun(entries, &run);
  return run;
}

/// The same bytes with a checksum that matches them.
std::string Seal(std::string bytes) {
  if (bytes.size() >= 4) {
    PutLittle32(bytes.data(), Crc32c(0, std::string_view(bytes).substr(4)));
  }
  return bytes;
}

std::string Record(uint64_t term, uint8_t type, uint8_t has_data, uint32_t size,
                   const std::string& payload) {
  std::string out;
  AppendLittle64(&out, term);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(has_data));
  AppendLittle32(&out, size);
  return out + payload;
}

std::string RunOf(const std::string& records) { return Seal(std::string(4, '\0') + records); }

bool Accepts(const std::string& run) { return InspectRun(run).has_value(); }

TEST(EntryRun, ComesOutAsItWentIn) {
  const std::vector<wal::Entry> entries = Mixed();
  const std::string run = Encode(entries);
  const auto inspected = InspectRun(run);
  ASSERT_TRUE(inspected.has_value());
  ASSERT_EQ(inspected->size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const RunEntry& entry = (*inspected)[i];
    EXPECT_EQ(entry.term, entries[i].term);
    EXPECT_EQ(entry.type, entries[i].type);
    EXPECT_EQ(entry.has_data, entries[i].payload != nullptr);
    EXPECT_EQ(entry.payload, entries[i].payload ? *entries[i].payload : "");
  }
  EXPECT_EQ((*inspected)[0].offset, 4u);
  EXPECT_EQ((*inspected)[1].offset, 4u + 14u);
}

TEST(EntryRun, IsCopiedFromAnyRecord) {
  const std::vector<wal::Entry> entries = Mixed();
  const std::string run = Encode(entries);
  const auto inspected = InspectRun(run);
  ASSERT_TRUE(inspected.has_value());
  for (size_t first = 0; first < entries.size(); ++first) {
    for (size_t count = 1; first + count <= entries.size(); ++count) {
      std::vector<wal::Entry> copied;
      ASSERT_TRUE(CopyRun(run, (*inspected)[first].offset, count, 100 + first, &copied));
      ASSERT_EQ(copied.size(), count);
      EXPECT_EQ(copied.back().index, 100 + first + count - 1);
      EXPECT_EQ(copied[0].payload == nullptr, entries[first].payload == nullptr);
      if (copied[0].payload == nullptr) continue;
      EXPECT_EQ(*copied[0].payload, *entries[first].payload);
    }
  }
  std::vector<wal::Entry> copied;
  EXPECT_FALSE(CopyRun(run, 4, entries.size() + 1, 1, &copied)) << "more than there are";
  EXPECT_FALSE(CopyRun(run, 0, 1, 1, &copied)) << "inside the checksum";
  EXPECT_FALSE(CopyRun(run, run.size(), 1, 1, &copied));
  EXPECT_FALSE(CopyRun(run, run.size() + 1, 1, 1, &copied));
  EXPECT_FALSE(CopyRun(run, UINT64_MAX, 1, 1, &copied));
  EXPECT_TRUE(CopyRun(run, 4, 0, 1, &copied));
}

TEST(EntryRun, RefusesWhatTheLogOrApplyWouldStumbleOver) {
  const std::string put = PutPayload(7, "a");
  const auto size = static_cast<uint32_t>(put.size());
  ASSERT_TRUE(Accepts(RunOf(Record(1, 0, 1, size, put))));
  EXPECT_FALSE(Accepts("")) << "nothing";
  EXPECT_FALSE(Accepts(RunOf(""))) << "no entry";
  EXPECT_FALSE(Accepts(RunOf(Record(1, 3, 1, size, put)))) << "an unknown type";
  EXPECT_FALSE(Accepts(RunOf(Record(1, 0, 2, size, put)))) << "a flag of another version";
  EXPECT_FALSE(Accepts(RunOf(Record(1, 0, 0, size, put)))) << "no data, but bytes";
  EXPECT_FALSE(Accepts(RunOf(Record(1, 0, 1, size + 1, put)))) << "bytes beyond the run";
  EXPECT_FALSE(Accepts(RunOf(Record(1, 0, 1, size, put) + "x"))) << "bytes behind the entries";
  EXPECT_FALSE(Accepts(RunOf(Record(1, 0, 1, UINT32_MAX, put)))) << "larger than an entry may be";
  EXPECT_FALSE(Accepts(RunOf(Record(uint64_t{1} << 53, 0, 1, size, put)))) << "no safe number";
  EXPECT_FALSE(Accepts(Encode({Entry(1, 0, "\x02" + put.substr(1))}))) << "an unknown format";
  EXPECT_FALSE(Accepts(Encode({Entry(1, 0, put.substr(0, put.size() - 1))}))) << "half a message";
  const std::string bad_body =
      intake::EncodeEntry({7, {}, 0}, intake::kFieldPut, Bytes(1, "k") + "\x12\x7f", {});
  EXPECT_FALSE(Accepts(Encode({Entry(1, 0, bad_body)}))) << "a body that does not decode";
  EXPECT_FALSE(Accepts(Encode({Entry(1, 0, put), Entry(1, 0, bad_body)})));
  // What TypeScript decides is only looked at as a message.
  const std::string control = intake::EncodeEntry({7, {}, 0}, 1200, "any bytes", {});
  EXPECT_TRUE(Accepts(Encode({Entry(1, 0, control)})));
  EXPECT_TRUE(Accepts(Encode({Entry(1, 1, "not looked at"), Entry(1, 2, std::nullopt)})));
}

TEST(EntryRun, RefusesDeeplyNestedTransactions) {
  std::string txn;
  for (int depth = 0; depth < 5000; ++depth) txn = Field(2, Field(4, txn));
  const std::string payload = intake::EncodeEntry({7, {}, 0}, intake::kFieldTxn, txn, {});
  EXPECT_FALSE(Accepts(Encode({Entry(1, 0, payload)})));
}

TEST(EntryRun, EveryFlippedBitIsFound) {
  const std::string run = Encode({Entry(3, 0, std::nullopt), Entry(3, 0, PutPayload(7, "a"))});
  for (size_t bit = 0; bit < run.size() * 8; ++bit) {
    std::string flipped = run;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(Accepts(flipped)) << "bit " << bit;
  }
  for (size_t size = 0; size < run.size(); ++size) EXPECT_FALSE(Accepts(run.substr(0, size)));
}

/// Whoever makes the bytes can make the checksum, too.
TEST(EntryRun, SealedNonsenseIsRefusedOrUnderstood) {
  std::mt19937_64 random(20261121);
  const std::string run = Encode(Mixed());
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = run;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) {
      // Mostly in the headers at the front, where it matters.
      const size_t at = 4 + random() % std::min<size_t>(bytes.size() - 4, round % 2 ? 160 : 4000);
      bytes[at] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(4 + random() % (bytes.size() - 4));
    bytes = Seal(bytes);
    const auto inspected = InspectRun(bytes);
    if (!inspected) continue;
    ++accepted;
    std::vector<wal::Entry> copied;
    ASSERT_TRUE(CopyRun(bytes, 4, inspected->size(), 1, &copied));
    ASSERT_EQ(Encode(copied), bytes) << "what is accepted is what would be sent";
    ASSERT_FALSE(CopyRun(bytes, 4, inspected->size() + 1, 1, &copied));
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 19000);
  std::vector<wal::Entry> copied;
  for (int round = 0; round < 20000; ++round) {  // offsets that nobody inspected
    CopyRun(run, random() % (run.size() + 8), 1 + random() % 8, 1, &copied);
    copied.clear();
  }
}

TEST(Forwards, ComeOutAsTheyWentIn) {
  const std::vector<intake::Payload> payloads = {Share(PutPayload(7, "a")),
                                                 Share(PutPayload(9, std::string(2000, 'k')))};
  Forwards decoded;
  ASSERT_TRUE(DecodeForwards(EncodeForwards(payloads, 12), &decoded).ok());
  EXPECT_EQ(decoded.term, 12u);
  ASSERT_EQ(decoded.proposals.size(), 2u);
  EXPECT_EQ(decoded.proposals[0].request_id, 7u);
  EXPECT_EQ(decoded.proposals[1].request_id, 9u);
  EXPECT_EQ(*decoded.proposals[1].payload, *payloads[1]);
}

TEST(Forwards, RefusesWhatAdmissionNeverMakes) {
  Forwards decoded;
  const auto code = [&](const std::string& payload) {
    return DecodeForwards(EncodeForwards({Share(payload)}, 1), &decoded).code();
  };
  EXPECT_EQ(code(PutPayload(7, "a")), Code::kOk);
  EXPECT_EQ(code(PutPayload(0, "a")), Code::kUnmarshal) << "no request id";
  EXPECT_EQ(code(""), Code::kUnmarshal);
  EXPECT_EQ(code("\x02"), Code::kUnmarshal);
  EXPECT_EQ(code(std::string(1, intake::kEntryFormat)), Code::kUnmarshal) << "no request";
  EXPECT_EQ(code(intake::EncodeInternalEntry({7, {}, 0}, "")), Code::kUnmarshal) << "no request";
  EXPECT_EQ(code(intake::EncodeEntry({7, {}, 0}, intake::kFieldPut, "\x0a\x7f", {})),
            Code::kUnmarshal);
  EXPECT_EQ(DecodeForwards(EncodeForwards({}, 1), &decoded).code(), Code::kUnmarshal);
  EXPECT_EQ(DecodeForwards("", &decoded).code(), Code::kUnmarshal);
}

TEST(Forwards, DamageIsFound) {
  const std::string forwards =
      EncodeForwards({Share(PutPayload(7, "a")), Share(PutPayload(8, "b"))}, 3);
  Forwards decoded;
  for (size_t bit = 0; bit < forwards.size() * 8; ++bit) {
    std::string flipped = forwards;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(DecodeForwards(flipped, &decoded).code(), Code::kUnmarshal) << "bit " << bit;
  }
  for (size_t size = 0; size < forwards.size(); ++size) {
    EXPECT_FALSE(DecodeForwards(Seal(forwards.substr(0, size)), &decoded).ok()) << size;
  }
  EXPECT_FALSE(DecodeForwards(Seal(forwards + "x"), &decoded).ok());
  std::mt19937_64 random(20261121);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = forwards;
    for (int i = 0; i < 3; ++i) bytes[4 + random() % (bytes.size() - 4)] = char(random());
    (void)DecodeForwards(Seal(bytes), &decoded);
  }
}

}  // namespace
}  // namespace metastore::member
