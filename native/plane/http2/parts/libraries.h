// Which files the plane's libraries come from in this process.
//
// Node has copies of its own of all of them inside and exports their functions, so that a plain
// load would silently run Node's. A test asks here whether the addon's own answer.
#ifndef METASTORE_PLANE_HTTP2_PARTS_LIBRARIES_H_
#define METASTORE_PLANE_HTTP2_PARTS_LIBRARIES_H_

#include <string>
#include <utility>
#include <vector>

namespace metastore::plane {

/// Names (nghttp2, uv, zlib) and the paths of the files that hold the functions that are called.
std::vector<std::pair<std::string, std::string>> LibraryFiles();

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_LIBRARIES_H_
