// The codec of entry_run.h.
#include "member/entries/entry_run.h"

#include <memory>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "intake/raft_request.h"
#include "wal/segment/format.h"

namespace metastore::member {
namespace {

constexpr size_t kChecksumBytes = 4;
constexpr size_t kRecordHeaderBytes = 8 + 1 + 1 + 4;
constexpr uint8_t kMaxType = 2;
/// Terms cross to TypeScript as numbers.
constexpr uint64_t kMaxSafe = (uint64_t{1} << 53) - 1;

}  // namespace

void AppendEntryRun(const std::vector<wal::Entry>& entries, std::string* out) {
  const size_t start = out->size();
  size_t bytes = kChecksumBytes;
  for (const wal::Entry& entry : entries) {
    bytes += kRecordHeaderBytes + (entry.payload ? entry.payload->size() : 0);
  }
  out->resize(start + bytes);
  char* at = out->data() + start + kChecksumBytes;
  for (const wal::Entry& entry : entries) {
    const std::string_view payload =
        entry.payload ? std::string_view(*entry.payload) : std::string_view();
    PutLittle64(at, entry.term);
    at[8] = static_cast<char>(entry.type);
    at[9] = entry.payload ? 1 : 0;
    PutLittle32(at + 10, static_cast<uint32_t>(payload.size()));
    at += kRecordHeaderBytes;
    payload.copy(at, payload.size());
    at += payload.size();
  }
  METASTORE_CHECK(at == out->data() + out->size(), "sizes were added up before");
  const std::string_view rest = std::string_view(*out).substr(start + kChecksumBytes);
  PutLittle32(out->data() + start, Crc32c(0, rest));
}

bool RunReader::Next(RunEntry* out) {
  if (offset_ < kChecksumBytes || offset_ > run_.size()) return false;
  ByteReader reader(run_.substr(offset_));
  RunEntry entry;
  entry.offset = offset_;
  uint8_t has_data = 0;
  uint32_t size = 0;
  if (!reader.ReadLittle64(&entry.term) || !reader.ReadByte(&entry.type) ||
      !reader.ReadByte(&has_data) || !reader.ReadLittle32(&size) ||
      !reader.ReadBytes(size, &entry.payload)) {
    return false;
  }
  const bool well_formed = entry.term <= kMaxSafe && entry.type <= kMaxType && has_data <= 1 &&
                           size <= wal::kMaxEntryBytes && (has_data == 1 || size == 0);
  if (!well_formed) return false;
  entry.has_data = has_data == 1;
  offset_ += kRecordHeaderBytes + size;
  *out = entry;
  return true;
}

std::optional<std::vector<RunEntry>> InspectRun(std::string_view run) {
  if (run.size() <= kChecksumBytes) return std::nullopt;
  if (Crc32c(0, run.substr(kChecksumBytes)) != GetLittle32(run.data())) return std::nullopt;
  std::vector<RunEntry> entries;
  RunReader reader(run, kChecksumBytes);
  while (!reader.AtEnd()) {
    RunEntry entry;
    if (!reader.Next(&entry)) return std::nullopt;
    // An entry without bytes is a new leader's; what is inside conf changes is the Raft core's.
    if (entry.type == 0 && !entry.payload.empty()) {
      if (!intake::CheckOperations(entry.payload).ok()) return std::nullopt;
    }
    entries.push_back(entry);
  }
  return entries;
}

bool CopyRun(std::string_view run, uint64_t offset, uint64_t count, uint64_t first_index,
             std::vector<wal::Entry>* entries) {
  RunReader reader(run, offset);
  for (uint64_t i = 0; i < count; ++i) {
    RunEntry entry;
    if (!reader.Next(&entry)) return false;
    auto payload = entry.has_data ? std::make_shared<const std::string>(entry.payload) : nullptr;
    entries->push_back({first_index + i, entry.term, entry.type, std::move(payload)});
  }
  return true;
}

}  // namespace metastore::member
