// The libFuzzer target of the session (METASTORE_FUZZ in CMake, with clang). scripts/lib/fuzz.mjs
// builds and runs it, from and into the inputs of session_corpus.txt.
#include <cstddef>
#include <cstdint>

#include "test/fuzz/session_driver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  metastore::fuzz::SessionDriver({reinterpret_cast<const char*>(data), size}).Run();
  return 0;
}
