// Versions and the small parts that engines share; see version.h and engine.h.
#include "engine/version.h"

#include <cstring>
#include <limits>
#include <new>

#include "base/check.h"
#include "codec/record.h"
#include "engine/engine.h"

namespace metastore {

uint32_t AccountedSize(size_t key_bytes, size_t value_bytes) {
  // 8-byte main, one separator, 8-byte sub: how a revision is spelled where sizes are compared.
  constexpr size_t kRevisionNameBytes = 17;
  const size_t size = kRevisionNameBytes + codec::RecordSize(key_bytes, value_bytes);
  constexpr size_t kMost = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(size < kMost ? size : kMost);
}

Ref<const Version> Version::Make(const VersionView& view) {
  constexpr size_t kLongest = size_t{1} << 31;
  METASTORE_CHECK(view.key.size() <= kLongest && view.value.size() <= kLongest,
                  "lengths of a version");
  METASTORE_CHECK(view.rev.main > 0 && view.rev.sub >= 0, "a version has a revision");
  METASTORE_CHECK(!view.tombstone || (view.value.empty() && view.create_revision == 0 &&
                                      view.version == 0 && view.lease == 0),
                  "a tombstone carries nothing");
  void* memory = ::operator new(sizeof(Version) + view.key.size() + view.value.size());
  auto* version = new (memory) Version();
  char* key = static_cast<char*>(memory) + sizeof(Version);
  char* value = key + view.key.size();
  if (!view.key.empty()) std::memcpy(key, view.key.data(), view.key.size());
  if (!view.value.empty()) std::memcpy(value, view.value.data(), view.value.size());
  version->view_ = view;
  version->view_.key = std::string_view(key, view.key.size());
  version->view_.value = std::string_view(value, view.value.size());
  return Ref<const Version>(version);
}

VersionMeta Version::meta() const {
  VersionMeta meta;
  meta.rev = view_.rev;
  meta.create_revision = view_.create_revision;
  meta.version = view_.version;
  meta.lease = view_.lease;
  meta.size_bytes = AccountedSize(view_.key.size(), view_.value.size());
  return meta;
}

void Version::operator delete(void* memory) { ::operator delete(memory); }

void Batch::Clear() {
  versions.clear();
  removals.clear();
  meta.clear();
  attachments.clear();
  revision = 0;
  applied_index = 0;
}

}  // namespace metastore
