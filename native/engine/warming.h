// Warming: what an engine can do whose point reads are answered from memory; memory's is one.
//
// A key's way from hash to value is a chain of places that are seldom in the processor's caches.
// For several keys the waits can be shared, which costs less than the reads themselves would.
#ifndef METASTORE_ENGINE_WARMING_H_
#define METASTORE_ENGINE_WARMING_H_

#include <span>
#include <string_view>

namespace metastore {

class Warming {
 public:
  /// Fetches from memory what Engine::GetResident of these keys will look at. Changes and waits for
  /// nothing. Any thread.
  virtual void Warm(std::span<const std::string_view> keys) const = 0;

 protected:
  ~Warming() = default;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_WARMING_H_
