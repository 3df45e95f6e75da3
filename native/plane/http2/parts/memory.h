// The memory of nghttp2: freed blocks of a thread are used again by the next streams.
//
// nghttp2 makes and frees a handful of small objects for each request, in bursts that outgrow what
// malloc keeps at hand for a thread. Sessions live on one thread, so a list without locks will do.
#ifndef METASTORE_PLANE_HTTP2_PARTS_MEMORY_H_
#define METASTORE_PLANE_HTTP2_PARTS_MEMORY_H_

#include <nghttp2/nghttp2.h>

namespace metastore::plane {

/// For sessions of the calling thread, which must not outlive it; null, which is malloc, in builds
/// whose sanitizer is to see every block.
nghttp2_mem* SessionMemory();

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_MEMORY_H_
