// See replay.h; docs/formats/wal.md gives the rules that this file follows.
#include "wal/replay/replay.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::wal {
namespace {

std::string Number(uint64_t value) { return std::to_string(value); }

bool EndsWith(std::string_view name, std::string_view suffix) {
  return name.size() >= suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
}

}  // namespace

Status Replayer::DamagedHere(uint64_t offset, const std::string& text) const {
  return DamagedAt(scanner_->path(), offset, text);
}

Status Replayer::Run() {
  std::vector<uint64_t> sequences;
  METASTORE_RETURN_IF_ERROR(ChooseSegments(&sequences));
  if (sequences.empty()) {
    out_->empty = true;
    return Status::Ok();
  }
  for (size_t n = 0; n < sequences.size(); ++n) {
    const std::string path = directory_ + "/" + SegmentName(sequences[n]);
    Result<std::unique_ptr<SegmentScanner>> scanner = SegmentScanner::Open(files_, path);
    if (!scanner.ok()) return scanner.TakeStatus();
    scanner_ = std::move(*scanner);
    if (scanner_->header().sequence != sequences[n]) {
      return DamagedHere(0, "expected the header of segment " + Number(sequences[n]) +
                                ", found that of " + Number(scanner_->header().sequence));
    }
    METASTORE_RETURN_IF_ERROR(ReplaySegment(n, n + 1 == sequences.size()));
  }
  return CheckWhole();
}

Status Replayer::ChooseSegments(std::vector<uint64_t>* sequences) {
  Result<std::vector<std::string>> names = files_->List(directory_);
  if (!names.ok()) return names.TakeStatus();
  for (const std::string& name : *names) {
    uint64_t sequence = 0;
    if (ParseSegmentName(name, &sequence)) {
      if (sequence == 0 || sequence > 0xffffffffull) {
        return Status(Code::kWrongFormat, directory_ + "/" + name + ": no segment number");
      }
      sequences->push_back(sequence);
    } else if (EndsWith(name, kSegmentSuffix)) {
      return Status(Code::kWrongFormat,
                    directory_ + "/" + name + ": not the name of a log segment of MetaStore");
    } else if (EndsWith(name, std::string(kSegmentSuffix) + std::string(kTemporarySuffix))) {
      out_->leftovers.push_back(name);  // a creation that was interrupted
    }
  }
  // Names sort as their numbers do. What lies before a gap was being removed when the power went:
  // whether it really was of no more use is checked at the end, by what the rest says.
  size_t first = sequences->size();
  while (first > 1 && (*sequences)[first - 2] + 1 == (*sequences)[first - 1]) --first;
  for (size_t n = 0; n + 1 < first; ++n) out_->leftovers.push_back(SegmentName((*sequences)[n]));
  if (first > 0) sequences->erase(sequences->begin(), sequences->begin() + (first - 1));
  return Status::Ok();
}

Status Replayer::ReplaySegment(size_t n, bool last) {
  METASTORE_RETURN_IF_ERROR(CheckHeader(n));
  auto segment = std::make_shared<Segment>();
  segment->sequence = scanner_->header().sequence;
  segment->seed = scanner_->header().crc;
  segment->path = scanner_->path();
  segment->base_index = scanner_->header().state.last_index;
  out_->segments.push_back(segment);
  whole_end_ = scanner_->offset();
  whole_crc_ = scanner_->last_crc();
  any_record_ = sealed_ = clean_ = false;
  pending_.clear();
  METASTORE_RETURN_IF_ERROR(ReadRecords());
  if (n > 0) METASTORE_RETURN_IF_ERROR(CheckEarlierEnd());
  METASTORE_RETURN_IF_ERROR(last ? EndOfLast() : EndOfFormer());

  former_ = scanner_->header();
  former_path_ = scanner_->path();
  former_end_ = whole_end_;
  former_crc_ = whole_crc_;
  former_sealed_ = sealed_;
  segment->size_bytes = whole_end_;
  segment->file = scanner_->TakeFile();
  return Status::Ok();
}

Status Replayer::CheckHeader(size_t n) {
  const SegmentHeader& header = scanner_->header();
  if (n == 0) {
    const LogState& state = header.state;
    if (state.start_index > state.last_index || state.hard_state.commit > state.last_index) {
      return DamagedHere(0, "expected a start and a commit index within the log");
    }
    out_->identity = header.identity;
    out_->state = state;
    // Entries up to here, if any are live, are in segments that are no longer there.
    table_->Reset(header.state.last_index);
    return Status::Ok();
  }
  if (header.identity.cluster_id != out_->identity.cluster_id ||
      header.identity.member_id != out_->identity.member_id) {
    return DamagedHere(0, "expected the same cluster and member as in " + former_path_);
  }
  if (header.previous_end != former_end_ || header.previous_crc != former_crc_) {
    return DamagedAt(former_path_, former_end_,
                     "expected " + (former_end_ < header.previous_end
                                        ? "a record, as " + scanner_->path() +
                                              " says that this segment reaches offset " +
                                              Number(header.previous_end)
                                        : "the end that " + scanner_->path() + " tells of"));
  }
  if (!(header.state == out_->state)) {
    return DamagedHere(0, "expected the state in which " + former_path_ + " ends");
  }
  return Status::Ok();
}

Status Replayer::ReadRecords() {
  RecordView record;
  for (;;) {
    Result<bool> found = scanner_->Next(&record);
    if (!found.ok()) return found.TakeStatus();
    if (!*found) return Status::Ok();
    if (record.type == RecordType::kSeal || record.type == RecordType::kCleanEnd) {
      if (!pending_.empty()) {
        return DamagedHere(scanner_->record_offset(), "expected the rest of an append");
      }
      (record.type == RecordType::kSeal ? sealed_ : clean_) = true;
      mark_offset_ = scanner_->record_offset();
      if (sealed_ && record.Field(1) != scanner_->header().sequence + 1) {
        return DamagedHere(mark_offset_, "expected the number of the next segment");
      }
      return Status::Ok();
    }
    any_record_ = true;
    METASTORE_RETURN_IF_ERROR(Take(record));
  }
}

Status Replayer::Take(const RecordView& record) {
  PendingRecord pending;
  pending.type = record.type;
  pending.offset = scanner_->record_offset();
  switch (record.type) {
    case RecordType::kEntry:
      pending.entry.index = record.Field(0);
      pending.entry.term = record.Field(1);
      pending.entry.type = record.entry_type;
      if ((record.flags & kFlagHasData) != 0) {
        pending.entry.payload = std::make_shared<const std::string>(record.data());
      } else if (!record.data().empty()) {
        return DamagedHere(pending.offset, "expected no data in an entry that says it has none");
      }
      break;
    case RecordType::kHardState:
      pending.hard_state = {record.Field(0), record.Field(1), record.Field(2)};
      break;
    case RecordType::kStart:
    case RecordType::kReset:
      pending.index = record.Field(0);
      pending.term = record.Field(1);
      break;
    default:  // a mark says nothing about the state
      break;
  }
  pending_.push_back(std::move(pending));
  if (!record.last()) return Status::Ok();
  for (const PendingRecord& each : pending_) METASTORE_RETURN_IF_ERROR(Apply(each));
  pending_.clear();
  table_->Evict();
  whole_end_ = scanner_->offset();
  whole_crc_ = scanner_->last_crc();
  return Status::Ok();
}

Status Replayer::Apply(const PendingRecord& record) {
  LogState& state = out_->state;
  switch (record.type) {
    case RecordType::kEntry:
      return ApplyEntry(record);
    case RecordType::kHardState:
      if (record.hard_state.commit > state.last_index) {
        return DamagedHere(record.offset, "expected a commit index up to " +
                                              Number(state.last_index) + ", found " +
                                              Number(record.hard_state.commit));
      }
      state.hard_state = record.hard_state;
      return Status::Ok();
    case RecordType::kStart:
      if (record.index < state.start_index || record.index > state.last_index) {
        return DamagedHere(record.offset, "expected a start from " + Number(state.start_index) +
                                              " to " + Number(state.last_index) + ", found " +
                                              Number(record.index));
      }
      state.start_index = record.index;
      state.start_term = record.term;
      return Status::Ok();
    case RecordType::kReset:
      state.start_index = state.last_index = record.index;
      state.start_term = state.last_term = record.term;
      table_->Reset(record.index);
      for (const auto& segment : out_->segments) segment->base_index = record.index;
      return Status::Ok();
    default:
      return Status::Ok();
  }
}

Status Replayer::ApplyEntry(const PendingRecord& record) {
  LogState& state = out_->state;
  const uint64_t index = record.entry.index;
  const uint64_t lowest = std::max(state.start_index, state.hard_state.commit);
  if (index <= lowest || index - 1 > state.last_index) {
    return DamagedHere(record.offset, "expected an entry from " + Number(lowest + 1) + " to " +
                                          Number(state.last_index + 1) + ", found " +
                                          Number(index));
  }
  if (index <= table_->start()) {
    table_->Reset(index - 1);  // overwrites a tail that is in segments no longer there
  } else if (index <= table_->last()) {
    table_->CutTail(index);
  }
  LowerBases(out_->segments, index);
  table_->Append(record.entry);
  table_->Locate(index, scanner_->header().sequence, record.offset);
  state.last_index = index;
  state.last_term = record.entry.term;
  return Status::Ok();
}

/// A segment with successors: its header's successor has been synced after all of it.
Status Replayer::EndOfFormer() {
  if (clean_) return DamagedHere(mark_offset_, "expected no clean end before the last segment");
  if (!pending_.empty()) {
    return DamagedHere(scanner_->offset(), "expected the rest of an append in a former segment");
  }
  return Status::Ok();
}

/// Whether the segment before this one ended as it must.
Status Replayer::CheckEarlierEnd() {
  if (former_sealed_) return Status::Ok();
  // The seal is durable before the next segment's first write; without it, a rotation was
  // interrupted and the next segment is the last one, and unused.
  const bool newest = !sealed_ && !any_record_ && !clean_;
  if (!newest) return DamagedAt(former_path_, former_end_, "expected the seal of this segment");
  out_->unsealed = true;
  out_->unsealed_end = former_end_;
  out_->unsealed_crc = former_crc_;
  return Status::Ok();
}

Status Replayer::EndOfLast() {
  const SegmentHeader& header = scanner_->header();
  if (sealed_) {
    return DamagedAt(directory_ + "/" + SegmentName(header.sequence + 1), 0,
                     "expected this segment, which " + scanner_->path() + " says exists");
  }
  out_->clean = clean_;
  out_->allocated_bytes = header.allocated_bytes;
  out_->end_offset = whole_end_;
  out_->end_crc = whole_crc_;
  if (clean_) {
    Result<uint64_t> end = scanner_->EndOfData(scanner_->offset());
    if (!end.ok()) return end.TakeStatus();
    if (*end != scanner_->offset()) {
      return DamagedHere(scanner_->offset(), "expected nothing behind the clean end");
    }
    out_->data_end = scanner_->offset();
    return Status::Ok();
  }
  const uint64_t bad = scanner_->offset();
  Result<uint64_t> proof = scanner_->FindProof(bad, whole_end_);
  if (!proof.ok()) return proof.TakeStatus();
  if (*proof != 0) {
    return DamagedHere(bad, "expected a whole record, as the one at " + Number(*proof) +
                                " proves that the log was durable beyond");
  }
  Result<bool> never_written = scanner_->NeverWritten(bad);
  if (!never_written.ok()) return never_written.TakeStatus();
  if (scanner_->size_bytes() < header.allocated_bytes && !*never_written) {
    return DamagedHere(bad, "expected more records or zeros in a file of " +
                                Number(header.allocated_bytes) + " bytes, found " +
                                Number(scanner_->size_bytes()) + " bytes");
  }
  Result<uint64_t> end = scanner_->EndOfData(whole_end_);
  if (!end.ok()) return end.TakeStatus();
  out_->data_end = *end;
  return Status::Ok();
}

/// Whether the entries that the log must hold are all there, now that its start is known.
Status Replayer::CheckWhole() {
  const LogState& state = out_->state;
  if (table_->start() > state.start_index) {
    const uint64_t missing = out_->segments.front()->sequence - 1;
    return DamagedAt(directory_ + "/" + SegmentName(missing), 0,
                     "expected this segment with entries from " + Number(state.start_index + 1) +
                         " to " + Number(table_->start()));
  }
  METASTORE_CHECK(table_->last() == state.last_index, "the table follows the state");
  table_->CutHead(state.start_index);
  return Status::Ok();
}

Status DecodeEntry(const Segment& segment, uint64_t index, const Slot& slot, std::string_view bytes,
                   Entry* entry) {
  RecordView record;
  if (!DecodeRecord(bytes, segment.seed, slot.offset, &record) ||
      record.type != RecordType::kEntry || record.Field(0) != index ||
      record.Field(1) != slot.term || record.data().size() != slot.size_bytes) {
    return DamagedAt(segment.path, slot.offset,
                     "expected entry " + Number(index) + " of term " + Number(slot.term));
  }
  entry->index = index;
  entry->term = slot.term;
  entry->type = slot.type;
  entry->payload = slot.has_data ? std::make_shared<const std::string>(record.data()) : nullptr;
  return Status::Ok();
}

Status ReadEntry(const Segment& segment, uint64_t index, const Slot& slot, Entry* entry) {
  std::string bytes;
  METASTORE_RETURN_IF_ERROR(
      segment.file->ReadAt(slot.offset, RecordBytes(kEntryPrefixBytes + slot.size_bytes), &bytes));
  return DecodeEntry(segment, index, slot, bytes, entry);
}

}  // namespace metastore::wal
