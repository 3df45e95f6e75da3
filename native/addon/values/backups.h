// Backups as files, outside any open core: what one holds, and the image of a new member's state
// that is made of it. For the tools of src/app/tools; declared in src/storage/native.ts.
#ifndef METASTORE_ADDON_VALUES_BACKUPS_H_
#define METASTORE_ADDON_VALUES_BACKUPS_H_

#include <napi.h>

namespace metastore::addon {

/// The object `backups` of the exports: functions whose promises are settled once the work, which
/// is done on a pool thread, has ended.
Napi::Object ToBackups(Napi::Env env);

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_VALUES_BACKUPS_H_
