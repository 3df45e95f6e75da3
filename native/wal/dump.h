// DumpLog: walks a log directory without changing it, for `metastore log dump` and for tests.
//
// Answers to docs/formats/wal.md, by the same replay as a start: what it visits is what a start
// would hand to Raft, and what a start would refuse is refused here with the same words.
#ifndef METASTORE_WAL_DUMP_H_
#define METASTORE_WAL_DUMP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/status.h"
#include "wal/wal.h"

namespace metastore::wal {

/// What the log says besides its entries; as in Recovered.
struct DumpSummary {
  Identity identity;
  HardState hard_state;
  uint64_t start_index = 0;
  uint64_t start_term = 0;
  uint64_t last_index = 0;
  uint64_t segments = 0;
  bool clean = false;       // the log was closed
  uint64_t torn_bytes = 0;  // what a start would cut from the tail
};

/// False ends the walk early, without an error. The payload is valid during the call; an entry
/// without data has an empty one.
using DumpVisitor =
    std::function<bool(uint64_t index, uint64_t term, uint8_t type, std::string_view payload)>;

/// Visits the live entries in order. Reads only, and takes no lock: the member should be stopped,
/// as a log that is being written may look damaged. `files` may be null for the operating system's
/// layer, `summary` and `visitor` may be null. kDamaged and kWrongFormat as Wal::Open, kIo when
/// there is no such directory or no log in it.
Status DumpLog(const std::string& directory, FileLayer* files, DumpSummary* summary,
               const DumpVisitor& visitor);

}  // namespace metastore::wal

#endif  // METASTORE_WAL_DUMP_H_
