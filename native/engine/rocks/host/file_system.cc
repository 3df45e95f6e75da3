// Adapts base/file.h's File and FileLayer to rocksdb's writable files; see file_system.h.
#include "engine/rocks/host/file_system.h"

#include <rocksdb/file_system.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

namespace metastore::rocks {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

IOStatus ToRocks(const Status& status) {
  return status.ok() ? IOStatus::OK() : IOStatus::IOError(status.ToString());
}

class LayerFile final : public rocksdb::FSWritableFile {
 public:
  LayerFile(std::unique_ptr<File> file, uint64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    const Status written = file_->WriteAt(size_bytes_, std::string_view(data.data(), data.size()));
    if (!written.ok()) return ToRocks(written);
    size_bytes_ += data.size();
    unsynced_ = true;
    return IOStatus::OK();
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Truncate(uint64_t size_bytes, const IOOptions&, IODebugContext*) override {
    size_bytes_ = size_bytes;
    unsynced_ = true;
    return ToRocks(file_->Truncate(size_bytes));
  }
  // A file that is closed unsynced is read again by this process at most; write it through.
  IOStatus Close(const IOOptions& options, IODebugContext* context) override {
    return unsynced_ ? Sync(options, context) : IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const Status synced = file_->Sync();
    if (synced.ok()) unsynced_ = false;
    return ToRocks(synced);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Sync(options, context);
  }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_bytes_; }

 private:
  std::unique_ptr<File> file_;
  uint64_t size_bytes_;
  bool unsynced_ = false;
};

/// Reads up to `length` bytes into the buffer that rocksdb gave.
IOStatus ReadPiece(File* file, uint64_t offset, size_t length, rocksdb::Slice* out, char* buffer) {
  std::string bytes;
  const Status read = file->ReadAt(offset, length, &bytes);
  if (!read.ok()) return ToRocks(read);
  if (!bytes.empty()) std::memcpy(buffer, bytes.data(), bytes.size());
  *out = rocksdb::Slice(buffer, bytes.size());
  return IOStatus::OK();
}

class LayerRandomFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit LayerRandomFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t length, const IOOptions&, rocksdb::Slice* out, char* buffer,
                IODebugContext*) const override {
    return ReadPiece(file_.get(), offset, length, out, buffer);
  }

 private:
  std::unique_ptr<File> file_;
};

class LayerSequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit LayerSequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(size_t length, const IOOptions&, rocksdb::Slice* out, char* buffer,
                IODebugContext*) override {
    const IOStatus read = ReadPiece(file_.get(), offset_, length, out, buffer);
    if (read.ok()) offset_ += out->size();
    return read;
  }
  IOStatus Skip(uint64_t bytes) override {
    offset_ += bytes;
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
};

class LayerDirectory final : public rocksdb::FSDirectory {
 public:
  LayerDirectory(FileLayer* layer, std::string path) : layer_(layer), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return ToRocks(layer_->SyncDirectory(path_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileLayer* layer_;
  std::string path_;
};

class LayerFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit LayerFileSystem(FileLayer* layer)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), layer_(layer) {}
  const char* Name() const override { return "MetaStoreFileLayer"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* out,
                           IODebugContext*) override {
    return Open(path, true, out);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* out,
                              IODebugContext*) override {
    return Open(path, false, out);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                             const FileOptions&, std::unique_ptr<rocksdb::FSWritableFile>* out,
                             IODebugContext*) override {
    const Status renamed = layer_->Rename(old_path, path);
    return renamed.ok() ? Open(path, true, out) : ToRocks(renamed);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* out,
                               IODebugContext*) override {
    return OpenToRead<LayerRandomFile>(path, out);
  }
  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* out,
                             IODebugContext*) override {
    return OpenToRead<LayerSequentialFile>(path, out);
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return IOStatus::OK();
    return layer_->Open(path, false).ok() ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* out,
                       IODebugContext*) override {
    Result<std::unique_ptr<File>> file = layer_->Open(path, false);
    if (!file.ok()) return IOStatus::PathNotFound(file.status().ToString());
    Result<uint64_t> size_bytes = (*file)->Size();
    if (!size_bytes.ok()) return ToRocks(size_bytes.status());
    *out = *size_bytes;
    return IOStatus::OK();
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* out,
                       IODebugContext*) override {
    Result<std::vector<std::string>> names = layer_->List(path);
    if (!names.ok()) return IOStatus::NotFound(names.status().ToString());
    *out = std::move(*names);
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* out, IODebugContext*) override {
    *out = std::make_unique<LayerDirectory>(layer_, path);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return ToRocks(layer_->Rename(from, to));
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return ToRocks(layer_->Remove(path));
  }
  IOStatus LinkFile(const std::string&, const std::string&, const IOOptions&,
                    IODebugContext*) override {
    return IOStatus::NotSupported("links");
  }

 private:
  template <typename Reader, typename Out>
  IOStatus OpenToRead(const std::string& path, std::unique_ptr<Out>* out) {
    Result<std::unique_ptr<File>> file = layer_->Open(path, false);
    if (!file.ok()) return IOStatus::PathNotFound(file.status().ToString());
    *out = std::make_unique<Reader>(std::move(*file));
    return IOStatus::OK();
  }

  IOStatus Open(const std::string& path, bool empty,
                std::unique_ptr<rocksdb::FSWritableFile>* out) {
    Result<std::unique_ptr<File>> file = layer_->Open(path, true);
    if (!file.ok()) return ToRocks(file.status());
    if (empty) {
      const Status truncated = (*file)->Truncate(0);
      if (!truncated.ok()) return ToRocks(truncated);
    }
    Result<uint64_t> size_bytes = (*file)->Size();
    if (!size_bytes.ok()) return ToRocks(size_bytes.status());
    *out = std::make_unique<LayerFile>(std::move(*file), *size_bytes);
    return IOStatus::OK();
  }

  FileLayer* layer_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewEnvOver(FileLayer* layer) {
  return rocksdb::NewCompositeEnv(std::make_shared<LayerFileSystem>(layer));
}

}  // namespace metastore::rocks
