// A file layer that stops after a number of changes: from then on nothing reaches the layer below
// and every change fails, as if the process had ended between two system calls.
#ifndef METASTORE_TEST_SUPPORT_WAL_STOPPING_LAYER_H_
#define METASTORE_TEST_SUPPORT_WAL_STOPPING_LAYER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"

namespace metastore {

class StoppingLayer final : public FileLayer {
 public:
  /// `changes`: how many pass.
  StoppingLayer(FileLayer* below, uint64_t changes) : below_(below), left_(changes) {}

  void StopAfter(uint64_t changes) { left_ = changes; }
  bool stopped() const { return left_ == 0; }

  Result<std::unique_ptr<File>> Open(const std::string& path, bool create) override {
    if (create && !Pass()) return Stopped();
    auto file = below_->Open(path, create);
    if (!file.ok()) return file;
    return std::unique_ptr<File>(std::make_unique<StoppingFile>(this, std::move(*file)));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return Pass() ? below_->Rename(from, to) : Stopped();
  }
  Status Remove(const std::string& path) override {
    return Pass() ? below_->Remove(path) : Stopped();
  }
  Status SyncDirectory(const std::string& path) override {
    return Pass() ? below_->SyncDirectory(path) : Stopped();
  }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return below_->List(path);
  }
  Status MakeDirectory(const std::string& path) override {
    return Pass() ? below_->MakeDirectory(path) : Stopped();
  }

 private:
  class StoppingFile final : public File {
   public:
    StoppingFile(StoppingLayer* layer, std::unique_ptr<File> file)
        : layer_(layer), file_(std::move(file)) {}
    Status WriteAt(uint64_t offset, std::string_view data) override {
      return layer_->Pass() ? file_->WriteAt(offset, data) : Stopped();
    }
    Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
      return file_->ReadAt(offset, length, out);
    }
    Status Sync() override { return layer_->Pass() ? file_->Sync() : Stopped(); }
    Status Allocate(uint64_t size_bytes) override {
      return layer_->Pass() ? file_->Allocate(size_bytes) : Stopped();
    }
    Status Truncate(uint64_t size_bytes) override {
      return layer_->Pass() ? file_->Truncate(size_bytes) : Stopped();
    }
    Result<uint64_t> Size() override { return file_->Size(); }

   private:
    StoppingLayer* layer_;
    std::unique_ptr<File> file_;
  };

  static Status Stopped() { return Status(Code::kIo, "the process has ended here"); }
  bool Pass() {
    if (left_ == 0) return false;
    --left_;
    return true;
  }

  FileLayer* const below_;
  uint64_t left_;
};

}  // namespace metastore

#endif  // METASTORE_TEST_SUPPORT_WAL_STOPPING_LAYER_H_
