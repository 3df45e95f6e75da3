// Asks the dynamic linker. See libraries.h.
#include "plane/http2/parts/libraries.h"

#include <dlfcn.h>
#include <nghttp2/nghttp2.h>
#include <uv.h>
#include <zlib.h>

namespace metastore::plane {
namespace {

template <typename Function>
std::string FileOf(Function* function) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(function), &info) == 0) return {};
  return info.dli_fname;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> LibraryFiles() {
  return {{"nghttp2", FileOf(&nghttp2_version)},
          {"uv", FileOf(&uv_version)},
          {"zlib", FileOf(&zlibVersion)}};
}

}  // namespace metastore::plane
