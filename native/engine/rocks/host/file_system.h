// A rocksdb file system whose files come from base/file.h's layer; for tests.
//
// With the lossy layer, what rocksdb has not synced is lost when the process is killed, as at a
// power cut; with a failing one, rocksdb meets full disks and failed syncs.
#ifndef METASTORE_ENGINE_ROCKS_HOST_FILE_SYSTEM_H_
#define METASTORE_ENGINE_ROCKS_HOST_FILE_SYSTEM_H_

#include <rocksdb/env.h>

#include <memory>

#include "base/file.h"

namespace metastore::rocks {

/// An environment like the default one, except that files are read, written, renamed, removed and
/// listed through `layer`, which must outlive it. Only rocksdb's own lock and information log go to
/// the operating system directly.
std::unique_ptr<rocksdb::Env> NewEnvOver(FileLayer* layer);

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_HOST_FILE_SYSTEM_H_
