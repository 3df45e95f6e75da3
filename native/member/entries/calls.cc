// Calls of core.h about what travels between members: proposals to the leader, entries from it.
#include <utility>

#include "member/core.h"
#include "member/entries/entry_run.h"
#include "member/entries/forwards.h"

namespace metastore::member {

std::string MemberCore::TakeForwards(uint64_t max_operations, uint64_t max_bytes, uint64_t term) {
  const auto payloads = proposals_.TakeForwards(max_operations, max_bytes, term);
  return payloads.empty() ? std::string() : EncodeForwards(payloads, term);
}

Status MemberCore::ReturnForwards(std::string_view forwards, Code code) {
  Forwards decoded;
  if (!DecodeForwards(forwards, &decoded).ok()) {
    return Status(Code::kInternal, "returnForwards: not what takeForwards gave");
  }
  if (code == Code::kOk) {
    proposals_.Return(std::move(decoded.proposals), decoded.term);
    return Status::Ok();
  }
  std::vector<intake::Ticket> failed;
  for (const intake::HandedOver& proposal : decoded.proposals) {
    const auto ticket = tickets_.TakeOf(proposal.request_id, decoded.term);
    if (ticket.has_value()) failed.push_back(*ticket);
  }
  FailTickets(failed, code);
  return Status::Ok();
}

Result<uint64_t> MemberCore::EnqueueForwarded(std::string_view forwards) {
  if (refusing()) return Code::kStopped;
  Forwards decoded;
  METASTORE_RETURN_IF_ERROR(DecodeForwards(forwards, &decoded));
  std::vector<intake::Payload> payloads;
  payloads.reserve(decoded.proposals.size());
  for (intake::HandedOver& proposal : decoded.proposals) {
    payloads.push_back(std::move(proposal.payload));
  }
  const uint64_t count = payloads.size();
  const Code code = proposals_.AddForwarded(std::move(payloads), decoded.term);
  if (code != Code::kOk) return code;
  Proposed(false);
  return count;
}

void MemberCore::FailHandedOver(uint64_t before_term, Code code) {
  FailTickets(tickets_.TakeBefore(before_term), code);
}

std::vector<intake::Ticket> MemberCore::ExpireQueued(intake::Ticket ticket) {
  return proposals_.Expire(ticket);
}

std::string MemberCore::CachedEntries(uint64_t from, uint64_t to) {
  std::vector<wal::Entry> entries;
  std::string run;
  if (log_->ReadCached(from, to, &entries)) AppendEntryRun(entries, &run);
  return run;
}

void MemberCore::ReadEntries(intake::Ticket ticket, uint64_t from, uint64_t to) {
  std::vector<wal::EntryInfo> infos;
  if (refusing()) return FailTickets({ticket}, Code::kStopped);
  if (from > to || !log_->Infos(to, to, &infos).ok()) {
    return FailTickets({ticket}, Code::kInternal);
  }
  readers_->ServeEntries({ticket, from, to, infos[0].term});
}

}  // namespace metastore::member
