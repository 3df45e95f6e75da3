// The lossy file layer: what has not been synced lives in this process only, so killing the process
// (or dropping the layer) loses it as a power cut does. For tests of what promises durability.
// Writes wait in order per file; a seeded choice lets a prefix of them through early, torn at any
// byte, or single sectors of any of them, as a kernel's write-back may; sizes may overtake data.
// Creations, renames and removals wait in order until SyncDirectory, or go through early.
#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <random>

#include "base/check.h"
#include "base/file.h"

namespace metastore {
namespace {

constexpr uint64_t kSectorBytes = 512;
/// Files that were created but whose names are not durable yet have such a name on the real disk.
constexpr std::string_view kHiddenPrefix = ".lossy-";

struct Update {
  bool is_write = false;
  uint64_t offset = 0;  // the new size when it is no write
  std::string data;
};

/// A file as this process sees it: what the disk has and, over it, the changes that wait.
struct Node {
  std::string disk_path;
  std::unique_ptr<File> disk;
  std::vector<Update> pending;
};

struct NameChange {
  std::shared_ptr<Node> node;
  std::string from;  // empty for a creation
  std::string to;    // empty for a removal
};

class LossyState {
 public:
  explicit LossyState(uint64_t seed) : random_(seed) {}

  Result<std::shared_ptr<Node>> Find(const std::string& path, bool create);
  Status Rename(const std::string& from, const std::string& to);
  Status Remove(const std::string& path);
  /// Lets the oldest changes of names through to the disk.
  Status SyncNames(size_t count = SIZE_MAX);
  Result<std::vector<std::string>> List(const std::string& path);

  Status Change(Node* node, Update update);
  Status Read(Node* node, uint64_t offset, size_t length, std::string* out);
  Result<uint64_t> Size(Node* node);
  Status Flush(Node* node, size_t count);
  void Freeze() { frozen_ = true; }

  std::mutex mutex;  // around every call

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool Gone(const std::string& path) const;
  Status Wait(NameChange change);
  Status Leak(Node* node);
  Status LeakPrefix(Node* node);
  Status LeakSectors(Node* node);
  Status LeakSize(Node* node);

  FileLayer* const disk_ = FileLayer::Posix();
  std::mt19937_64 random_;
  std::map<std::string, std::shared_ptr<Node>> nodes_;  // by the path that callers use
  std::deque<NameChange> names_;
  uint64_t hidden_ = 0;
  bool frozen_ = false;
};

bool LossyState::Gone(const std::string& path) const {
  bool gone = false;
  for (const NameChange& change : names_) {
    if (change.from == path) gone = true;
    if (change.to == path) gone = false;
  }
  return gone;
}

Result<std::shared_ptr<Node>> LossyState::Find(const std::string& path, bool create) {
  const auto found = nodes_.find(path);
  if (found != nodes_.end()) return found->second;
  auto node = std::make_shared<Node>();
  node->disk_path = path;
  if (!Gone(path)) {
    Result<std::unique_ptr<File>> file = disk_->Open(path, /*create=*/false);
    if (file.ok()) {
      node->disk = std::move(*file);
      nodes_[path] = node;
      return node;
    }
    if (!create) return file.TakeStatus();
  } else if (!create) {
    return Status(Code::kIo, "open " + path + ": removed");
  }
  const std::string directory = path.substr(0, path.find_last_of('/') + 1);
  node->disk_path = directory + std::string(kHiddenPrefix) + std::to_string(random_()) + "-" +
                    std::to_string(hidden_++);
  Result<std::unique_ptr<File>> file = disk_->Open(node->disk_path, /*create=*/true);
  if (!file.ok()) return file.TakeStatus();
  node->disk = std::move(*file);
  // A layer of the same seed may have left one of this name.
  METASTORE_RETURN_IF_ERROR(node->disk->Truncate(0));
  nodes_[path] = node;
  METASTORE_RETURN_IF_ERROR(Wait({node, "", path}));
  return node;
}

Status LossyState::Wait(NameChange change) {
  names_.push_back(std::move(change));
  if (Below(2) == 0) return Status::Ok();
  // A prefix goes through early.
  return SyncNames(Below(names_.size() + 1));
}

Status LossyState::SyncNames(size_t count) {
  if (frozen_) return Status::Ok();
  for (count = std::min(count, names_.size()); count > 0; --count) {
    const NameChange first = std::move(names_.front());
    names_.pop_front();
    if (first.to.empty()) {
      METASTORE_RETURN_IF_ERROR(disk_->Remove(first.node->disk_path));
    } else {
      METASTORE_RETURN_IF_ERROR(disk_->Rename(first.node->disk_path, first.to));
      first.node->disk_path = first.to;
    }
  }
  return Status::Ok();
}

Status LossyState::Rename(const std::string& from, const std::string& to) {
  Result<std::shared_ptr<Node>> node = Find(from, /*create=*/false);
  if (!node.ok()) return node.TakeStatus();
  nodes_.erase(from);
  nodes_[to] = *node;
  return Wait({*node, from, to});
}

Status LossyState::Remove(const std::string& path) {
  Result<std::shared_ptr<Node>> node = Find(path, /*create=*/false);
  if (!node.ok()) return node.TakeStatus();
  nodes_.erase(path);
  return Wait({*node, path, ""});
}

Result<std::vector<std::string>> LossyState::List(const std::string& path) {
  Result<std::vector<std::string>> listed = disk_->List(path);
  if (!listed.ok()) return listed;
  std::map<std::string, bool> names;
  for (const std::string& name : *listed) {
    if (name.compare(0, kHiddenPrefix.size(), kHiddenPrefix) != 0) names[name] = true;
  }
  const std::string prefix = path + "/";
  const auto set = [&](const std::string& full, bool there) {
    if (full.compare(0, prefix.size(), prefix) == 0 &&
        full.find('/', prefix.size()) == std::string::npos) {
      names[full.substr(prefix.size())] = there;
    }
  };
  for (const NameChange& change : names_) {
    set(change.from, false);
    set(change.to, true);
  }
  std::vector<std::string> result;
  for (const auto& [name, there] : names) {
    if (there) result.push_back(name);
  }
  return result;
}

Result<uint64_t> LossyState::Size(Node* node) {
  Result<uint64_t> size = node->disk->Size();
  if (!size.ok()) return size;
  for (const Update& change : node->pending) {
    *size = change.is_write ? std::max(*size, change.offset + change.data.size()) : change.offset;
  }
  return size;
}

Status LossyState::Read(Node* node, uint64_t offset, size_t length, std::string* out) {
  Result<uint64_t> size = node->disk->Size();
  if (!size.ok()) return size.TakeStatus();
  METASTORE_RETURN_IF_ERROR(node->disk->ReadAt(offset, length, out));
  out->resize(length);
  for (const Update& change : node->pending) {
    if (!change.is_write) {
      for (uint64_t at = std::max(change.offset, offset); at < offset + length; ++at) {
        (*out)[at - offset] = '\0';
      }
      *size = change.offset;
      continue;
    }
    const uint64_t from = std::max(change.offset, offset);
    const uint64_t to = std::min(change.offset + change.data.size(), offset + length);
    if (from < to) {
      out->replace(from - offset, to - from, change.data, from - change.offset, to - from);
    }
    *size = std::max(*size, change.offset + change.data.size());
  }
  out->resize(*size > offset ? std::min<uint64_t>(length, *size - offset) : 0);
  return Status::Ok();
}

Status LossyState::Change(Node* node, Update update) {
  node->pending.push_back(std::move(update));
  return Leak(node);
}

Status LossyState::Flush(Node* node, size_t count) {
  METASTORE_CHECK(count <= node->pending.size(), "only what waits is flushed");
  if (frozen_) return Status::Ok();
  for (size_t n = 0; n < count; ++n) {
    const Update& change = node->pending[n];
    METASTORE_RETURN_IF_ERROR(change.is_write ? node->disk->WriteAt(change.offset, change.data)
                                              : node->disk->Truncate(change.offset));
  }
  node->pending.erase(node->pending.begin(), node->pending.begin() + static_cast<long>(count));
  return Status::Ok();
}

Status LossyState::Leak(Node* node) {
  if (frozen_) return Status::Ok();
  switch (Below(6)) {
    case 0:
      return LeakPrefix(node);
    case 1:
      return LeakSectors(node);
    case 2:
      return LeakSize(node);
    default:
      return Status::Ok();
  }
}

Status LossyState::LeakPrefix(Node* node) {
  METASTORE_RETURN_IF_ERROR(Flush(node, Below(node->pending.size() + 1)));
  if (node->pending.empty() || !node->pending.front().is_write) return Status::Ok();
  // The next one is torn; it still waits, and is written again as a whole when it is synced.
  const Update& torn = node->pending.front();
  return node->disk->WriteAt(torn.offset,
                             std::string_view(torn.data).substr(0, Below(torn.data.size() + 1)));
}

Status LossyState::LeakSectors(Node* node) {
  for (const Update& change : node->pending) {
    if (!change.is_write) return Status::Ok();  // sizes change in order
  }
  Result<uint64_t> size = node->disk->Size();
  if (!size.ok()) return size.TakeStatus();
  const Update& change = node->pending[Below(node->pending.size())];
  const uint64_t end = std::min(change.offset + change.data.size(), *size);
  for (uint64_t at = change.offset / kSectorBytes * kSectorBytes; at < end; at += kSectorBytes) {
    if (Below(2) == 0) continue;
    std::string sector;
    METASTORE_RETURN_IF_ERROR(
        Read(node, at, std::min<uint64_t>(kSectorBytes, *size - at), &sector));
    METASTORE_RETURN_IF_ERROR(node->disk->WriteAt(at, sector));
  }
  return Status::Ok();
}

/// Sizes are kept with the names, in the file system's journal, and may overtake the data. The
/// change still waits, and is made again in its turn.
Status LossyState::LeakSize(Node* node) {
  for (const Update& update : node->pending) {
    if (!update.is_write) return node->disk->Truncate(update.offset);
  }
  return Status::Ok();
}

class LossyFile final : public File {
 public:
  LossyFile(std::shared_ptr<LossyState> state, std::shared_ptr<Node> node)
      : state_(std::move(state)), node_(std::move(node)) {}

  Status WriteAt(uint64_t offset, std::string_view data) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Change(node_.get(), {true, offset, std::string(data)});
  }
  Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Read(node_.get(), offset, length, out);
  }
  Status Sync() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Flush(node_.get(), node_->pending.size());
  }
  Status Allocate(uint64_t size_bytes) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    Result<uint64_t> size = state_->Size(node_.get());
    if (!size.ok()) return size.TakeStatus();
    if (*size >= size_bytes) return Status::Ok();
    return state_->Change(node_.get(), {false, size_bytes, ""});
  }
  Status Truncate(uint64_t size_bytes) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Change(node_.get(), {false, size_bytes, ""});
  }
  Result<uint64_t> Size() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Size(node_.get());
  }

 private:
  const std::shared_ptr<LossyState> state_;
  const std::shared_ptr<Node> node_;
};

class LossyFileLayer final : public FileLayer {
 public:
  explicit LossyFileLayer(uint64_t seed) : state_(std::make_shared<LossyState>(seed)) {}

  Result<std::unique_ptr<File>> Open(const std::string& path, bool create) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    Result<std::shared_ptr<Node>> node = state_->Find(path, create);
    if (!node.ok()) return node.TakeStatus();
    return std::unique_ptr<File>(std::make_unique<LossyFile>(state_, *node));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Rename(from, to);
  }
  Status Remove(const std::string& path) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->Remove(path);
  }
  Status SyncDirectory(const std::string&) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->SyncNames();
  }
  Result<std::vector<std::string>> List(const std::string& path) override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    return state_->List(path);
  }
  Status MakeDirectory(const std::string& path) override {
    return FileLayer::Posix()->MakeDirectory(path);
  }
  void Freeze() override {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->Freeze();
  }

 private:
  const std::shared_ptr<LossyState> state_;
};

}  // namespace

std::unique_ptr<FileLayer> FileLayer::Lossy(uint64_t seed) {
  return std::make_unique<LossyFileLayer>(seed);
}

}  // namespace metastore
