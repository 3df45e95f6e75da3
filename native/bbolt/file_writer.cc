// Writing of file_writer.h.
#include "bbolt/file_writer.h"

#include <utility>

#include "base/check.h"

namespace metastore::bbolt {
namespace {

/// Behind the two meta pages: an empty list, so that nobody has to walk the file to find out that
/// no page is free.
constexpr uint64_t kFreelistAt = 2;
constexpr uint64_t kFirstPage = 3;

}  // namespace

FileWriter::FileWriter() : sink_(true, kFirstPage) {}

FileWriter::FileWriter(const FileShape& shape) : sink_(false, kFirstPage), shape_(shape) {
  std::string& out = sink_.bytes();
  Meta meta;
  meta.root = shape.root;
  meta.freelist = kFreelistAt;
  meta.pages = shape.pages;
  // The newer one is where a writer expects it: the next transaction replaces the other.
  AppendMetaPage(0, meta, &out);
  meta.txid = 1;
  AppendMetaPage(1, meta, &out);
  const size_t start = out.size();
  AppendPageHead(kFreelistAt, kFreelistPage, 0, 0, &out);
  sink_.Pad(start);
}

void FileWriter::BeginBucket(std::string_view name) {
  METASTORE_CHECK(!bucket_.has_value(), "one bucket at a time");
  METASTORE_CHECK(!buckets_.contains(name), "a bucket is written once");
  name_.assign(name);
  bucket_.emplace(&sink_);
}

void FileWriter::Add(std::string_view key, const Value& value) {
  METASTORE_CHECK(bucket_.has_value(), "rows belong to a bucket");
  bucket_->Add(key, value);
}

void FileWriter::EndBucket() {
  METASTORE_CHECK(bucket_.has_value(), "a bucket was begun");
  buckets_.emplace(name_, bucket_->FinishBucket());
  bucket_.reset();
}

FileShape FileWriter::Finish() {
  METASTORE_CHECK(!bucket_.has_value(), "every bucket was ended");
  TreeWriter root(&sink_);
  for (const auto& [name, value] : buckets_) root.Add(name, {value, {}, {}}, kBucketElement);
  FileShape shape;
  shape.root = root.Finish();
  shape.pages = sink_.next_page();
  METASTORE_CHECK(!shape_.has_value() || *shape_ == shape, "the rows are the same both times");
  return shape;
}

std::string FileWriter::Take() { return std::exchange(sink_.bytes(), {}); }

}  // namespace metastore::bbolt
