// The engine contract over rocksdb: as it is, and made to flush and evict all the time.
#include "test/engine_contract.h"

namespace metastore::test {
namespace {

std::unique_ptr<Engine> Open(RocksOptions options) {
  Result<std::unique_ptr<Engine>> engine = OpenRocksEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status().ToString();
  return engine.ok() ? std::move(*engine) : nullptr;
}

std::unique_ptr<Engine> Roomy(const std::string& directory) {
  RocksOptions options;
  options.directory = directory;
  return Open(options);
}

/// No metadata stays, and memtables are as small as rocksdb allows.
std::unique_ptr<Engine> Cramped(const std::string& directory) {
  RocksOptions options;
  options.directory = directory;
  options.block_cache_bytes = 64 << 10;
  options.write_buffer_bytes = 64 << 10;
  options.metadata_cache_bytes = 0;
  options.hot_map_bytes = 0;
  options.bloom_bits_per_key = 0;
  return Open(options);
}

INSTANTIATE_TEST_SUITE_P(Rocks, EngineContract,
                         testing::Values(EngineKind{"rocksdb", Roomy},
                                         EngineKind{"cramped", Cramped}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace metastore::test
