// A whole run: signing in, filling, granting, then the load itself on its threads.
// Called by main once; what it answers goes to the reports.
#ifndef METASTORE_LOAD_RUN_LOAD_H_
#define METASTORE_LOAD_RUN_LOAD_H_

#include <string>

#include "stats/result.h"
#include "work/options.h"

namespace metastore::load {

/// False with a sentence when the load could not be run at all. Failed requests are in the result.
bool RunLoad(const Options& options, Result* result, std::string* error);

}  // namespace metastore::load

#endif  // METASTORE_LOAD_RUN_LOAD_H_
