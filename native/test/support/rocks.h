// A rocksdb engine under test: write buffers so small that a few hundred rows are flushed, and an
// opening that must succeed. Used by the tests that look at the engine's own files and rows.
#ifndef METASTORE_TEST_SUPPORT_ROCKS_H_
#define METASTORE_TEST_SUPPORT_ROCKS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "engine/engine.h"

namespace metastore::test {

inline RocksOptions OptionsFor(const std::string& directory) {
  RocksOptions options;
  options.directory = directory;
  options.write_buffer_bytes = 256 << 10;
  return options;
}

inline std::unique_ptr<Engine> MustOpen(const RocksOptions& options) {
  Result<std::unique_ptr<Engine>> engine = OpenRocksEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status().ToString();
  return engine.ok() ? std::move(*engine) : nullptr;
}

}  // namespace metastore::test

#endif  // METASTORE_TEST_SUPPORT_ROCKS_H_
