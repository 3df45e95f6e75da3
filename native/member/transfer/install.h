// Installer: replaces a member's whole state by a received snapshot, while the process goes on.
//
// The order of steps is what makes it safe against crashes: the new state is built beside the old
// one, verified and made durable; INSTALL is written (from here on every start finishes the job);
// the new state becomes the current one on disk, then in memory; the log starts anew at the
// snapshot; INSTALL goes. Each step is a task of its own. docs/formats/snapshot-transfer.md.
#ifndef METASTORE_MEMBER_TRANSFER_INSTALL_H_
#define METASTORE_MEMBER_TRANSFER_INSTALL_H_

#include "member/transfer/imports.h"
#include "member/transfer/parts.h"

namespace metastore::member::transfer {

class Installer {
 public:
  /// Both must outlive this.
  Installer(TransferParts* parts, Imports* imports) : parts_(parts), imports_(imports) {}

  /// Installs a complete import that must hold exactly (index, term); the log starts behind it,
  /// with the hard state. The caller sees to it that nothing is on its way through apply or to the
  /// log until the answer. Durable when it answers; reads go on meanwhile, first over the old
  /// state, then over the new one. kDamaged (the import is not that snapshot, or none), kIo,
  /// kNoSpace and kInternal (called at the wrong moment) leave the old state; after kStopped a
  /// start shows which.
  void Install(uint64_t id, uint64_t index, uint64_t term, const wal::HardState& hard_state,
               Answer<InstalledSnapshot> answer);
  void Stop() { stopping_.store(true); }

 private:
  struct Job;
  using JobRef = std::shared_ptr<Job>;

  void Build(const JobRef& job);
  void LoadPiece(const JobRef& job);
  void FinishLoading(const JobRef& job);
  void MoveFile(const JobRef& job);
  void OpenMoved(const JobRef& job);
  void Mark(const JobRef& job);
  void Switch(const JobRef& job);
  void Swap(const JobRef& job);
  void Finish(const JobRef& job);

  Status CheckMoment(const Job& job) const;
  Status MakePlace(Job* job);
  Status OpenEngine(Job* job);
  Status Verify(Job* job);
  Status Describe(Job* job) const;
  /// Runs the next step on an executor, or ends the job when that has stopped.
  void Next(Executor* executor, const JobRef& job, void (Installer::*step)(const JobRef&));
  /// Before INSTALL is written: nothing has happened.
  void Refuse(const JobRef& job, Status status);
  /// Behind it: only a start can tell.
  void Fail(const JobRef& job, Status status);

  TransferParts* const parts_;
  Imports* const imports_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> busy_{false};
};

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_INSTALL_H_
