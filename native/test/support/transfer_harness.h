// Snapshots between two TinyVoters: what TypeScript and the peer transport do around
// member/transfer, with every answer waited for.
#ifndef METASTORE_TEST_SUPPORT_TRANSFER_HARNESS_H_
#define METASTORE_TEST_SUPPORT_TRANSFER_HARNESS_H_

#include <algorithm>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "test/support/member_harness.h"

namespace metastore::transfer_test {

using member::transfer::InstalledSnapshot;
using member::transfer::SnapshotExport;
using member::transfer::SnapshotKind;
using member_test::TinyVoter;

/// The answer of an asynchronous call, which comes within 60 seconds.
template <typename T, typename Call>
Result<T> WaitFor(Call call) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  call([promise](Result<T> result) { promise->set_value(std::move(result)); });
  if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
    return Status(Code::kTimeout, "no answer");
  }
  return future.get();
}

inline Result<SnapshotExport> Export(TinyVoter* voter, bool accept_checkpoint) {
  return WaitFor<SnapshotExport>(
      [&](auto answer) { voter->core().transfers().exports.Begin(accept_checkpoint, answer); });
}

inline Result<std::string> ReadChunk(TinyVoter* voter, uint64_t id, uint64_t offset,
                                     uint64_t max_bytes) {
  return WaitFor<std::string>(
      [&](auto answer) { voter->core().transfers().exports.Read(id, offset, max_bytes, answer); });
}

/// All bytes of an export, without the checksums.
inline std::string ReadAll(TinyVoter* voter, const SnapshotExport& exported,
                           uint64_t chunk_bytes = 1 << 20) {
  std::string all;
  while (all.size() < exported.size_bytes) {
    auto chunk = ReadChunk(voter, exported.id, all.size(), chunk_bytes);
    if (!chunk.ok() || chunk->size() <= 4) {
      ADD_FAILURE() << "chunk at " << all.size() << ": " << chunk.status().ToString();
      return all;
    }
    const std::string_view bytes = std::string_view(*chunk).substr(4);
    EXPECT_EQ(GetLittle32(chunk->data()), Crc32c(0, bytes));
    all.append(bytes);
  }
  return all;
}

inline Result<uint64_t> OpenImport(TinyVoter* voter, SnapshotKind kind, uint64_t size_bytes) {
  return WaitFor<uint64_t>(
      [&](auto answer) { voter->core().transfers().imports.Open(kind, size_bytes, answer); });
}

inline std::string Chunk(std::string_view bytes) {
  std::string chunk(4, '\0');
  PutLittle32(chunk.data(), Crc32c(0, bytes));
  return chunk.append(bytes);
}

inline Status WriteChunk(TinyVoter* voter, uint64_t id, uint64_t offset, std::string chunk) {
  auto result = WaitFor<bool>([&](auto answer) {
    voter->core().transfers().imports.Write(id, offset, std::move(chunk), [answer](Status status) {
      status.ok() ? answer(true) : answer(std::move(status));
    });
  });
  return result.ok() ? Status::Ok() : result.TakeStatus();
}

/// An import of these bytes, until one is refused.
inline Status TryImport(TinyVoter* voter, SnapshotKind kind, std::string_view bytes, uint64_t* id,
                        size_t chunk_bytes = 1 << 20) {
  auto opened = OpenImport(voter, kind, bytes.size());
  if (!opened.ok()) return opened.TakeStatus();
  *id = *opened;
  for (size_t at = 0; at < bytes.size(); at += chunk_bytes) {
    METASTORE_RETURN_IF_ERROR(WriteChunk(voter, *id, at, Chunk(bytes.substr(at, chunk_bytes))));
  }
  return Status::Ok();
}

/// A complete import of these bytes; its number.
inline uint64_t Import(TinyVoter* voter, SnapshotKind kind, std::string_view bytes,
                       size_t chunk_bytes = 1 << 20) {
  uint64_t id = 0;
  const Status status = TryImport(voter, kind, bytes, &id, chunk_bytes);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return id;
}

inline Result<InstalledSnapshot> Install(TinyVoter* voter, uint64_t id, uint64_t index,
                                         uint64_t term) {
  wal::HardState hard_state = voter->hard_state(index);
  hard_state.term = std::max(hard_state.term, term);
  auto installed = WaitFor<InstalledSnapshot>([&](auto answer) {
    voter->core().transfers().installer.Install(id, index, term, hard_state, answer);
  });
  if (installed.ok()) voter->Installed(index);
  return installed;
}

/// Everything from one voter to another.
inline Result<InstalledSnapshot> Transfer(TinyVoter* from, TinyVoter* to, bool accept_checkpoint) {
  auto exported = Export(from, accept_checkpoint);
  if (!exported.ok()) return exported.TakeStatus();
  const std::string bytes = ReadAll(from, *exported);
  from->core().transfers().exports.Close(exported->id);
  const uint64_t id = Import(to, exported->kind, bytes);
  return Install(to, id, exported->index, exported->term);
}

}  // namespace metastore::transfer_test

#endif  // METASTORE_TEST_SUPPORT_TRANSFER_HARNESS_H_
