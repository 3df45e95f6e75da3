// Time slices: how a thread that mostly waits, and for which others wait, shares a busy core.
//
// The log's thread asks for short ones: once the disk has done its part, what it says next does not
// wait until another thread's slice is over.
#ifndef METASTORE_BASE_SLICES_H_
#define METASTORE_BASE_SLICES_H_

namespace metastore {

/// Asks the system to let the calling thread run soon after it wakes, and for a short time then.
/// False, and nothing has changed, where the system knows no such wish (Linux before 6.12).
bool PreferShortSlices();

}  // namespace metastore

#endif  // METASTORE_BASE_SLICES_H_
