// Images: what goes in comes out, on every engine; damage is refused; files come and go in order.
#include "mvcc/image.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

std::string Bytes(const MvccHarness& h, ImageInfo* info = nullptr) {
  ImageStream stream(h.engine.get(), h.store->Pin());
  std::string bytes;
  bool done = false;
  for (int piece = 0; !done && piece < 100000; piece++) {
    EXPECT_TRUE(stream.Next(&bytes, &done).ok());
  }
  EXPECT_TRUE(done);
  EXPECT_EQ(stream.info().size_bytes, bytes.size());
  if (info != nullptr) *info = stream.info();
  return bytes;
}

Status Load(std::string_view bytes, Engine* engine, ImageInfo* info, size_t piece = 1 << 20) {
  ImageLoader loader(engine);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    METASTORE_RETURN_IF_ERROR(loader.Feed(bytes.substr(at, piece)));
  }
  return loader.Finish(info);
}

/// A store over a fresh engine that the image was loaded into.
std::unique_ptr<MvccHarness> Loaded(std::string_view bytes, size_t piece = 1 << 20) {
  std::shared_ptr<Engine> engine = NewMemoryEngine();
  ImageInfo info;
  const Status status = Load(bytes, engine.get(), &info, piece);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return std::make_unique<MvccHarness>(StoreOptions(), std::move(engine));
}

/// Keys with histories, deletions, leases, alarms and rows of others.
void Fill(MvccHarness* h, int changes) {
  ASSERT_TRUE(h->Grant(7, 100).ok());
  ASSERT_TRUE(h->Grant(-9, 100).ok());
  for (int i = 0; i < changes; i++) {
    const std::string key = "k" + std::to_string(i % 37) + std::string(i % 3, '\0');
    ASSERT_TRUE(h->Put(key, std::string(i % 50, 'v'), i % 5 == 0 ? 7 : i % 7 == 0 ? -9 : 0).ok());
    if (i % 4 == 3) {
      ASSERT_TRUE(h->Delete("k" + std::to_string(i % 11), "k5").ok());
    }
  }
  ASSERT_TRUE(h->Alarm(1, 5, 1).ok());
  h->Begin();
  h->store->PutMeta("member/conf", std::string("\0state\xff", 7));
  h->Commit();
}

void ExpectSame(const MvccHarness& a, const MvccHarness& b) {
  const ViewRef left = a.store->Pin(), right = b.store->Pin();
  EXPECT_EQ(left->revision, right->revision);
  EXPECT_EQ(left->compact_revision, right->compact_revision);
  EXPECT_EQ(left->applied_index, right->applied_index);
  EXPECT_EQ(left->key_count, right->key_count);
  EXPECT_EQ(a.store->applied_term(), b.store->applied_term());
  EXPECT_EQ(a.store->HashKv(*left, 0)->hash, b.store->HashKv(*right, 0)->hash);
  EXPECT_EQ(a.store->sizes().db_size_bytes, b.store->sizes().db_size_bytes);
  EXPECT_EQ(a.store->Alarms(), b.store->Alarms());
  ASSERT_EQ(a.store->Leases().size(), b.store->Leases().size());
  for (const LeaseRow& lease : a.store->Leases()) {
    std::vector<std::string> one, other;
    ASSERT_TRUE(a.store->AttachedKeys(*left, lease.id, &one).ok());
    ASSERT_TRUE(b.store->AttachedKeys(*right, lease.id, &other).ok());
    EXPECT_EQ(one, other) << lease.id;
  }
  std::optional<std::string> row, copy;
  ASSERT_TRUE(a.engine->GetMeta(*left->snapshot, "member/conf", &row).ok());
  ASSERT_TRUE(b.engine->GetMeta(*right->snapshot, "member/conf", &copy).ok());
  EXPECT_EQ(row, copy);
  for (int64_t at = std::max<int64_t>(left->compact_revision, 1); at <= left->revision; at++) {
    codec::RangeRequest request = RangeOf(kZero, kZero);
    request.revision = at;
    std::string one, other;
    ASSERT_TRUE(a.store->Range(*left, request, a.header, &one).ok());
    ASSERT_TRUE(b.store->Range(*right, request, b.header, &other).ok());
    ASSERT_TRUE(one == other) << "revision " << at;
  }
}

TEST(Image, EmptyStore) {
  MvccHarness h;
  const auto loaded = Loaded(Bytes(h));
  ExpectSame(h, *loaded);
  EXPECT_EQ(loaded->store->revision(), 1);
}

TEST(Image, EverythingComesBack) {
  MvccHarness h;
  Fill(&h, 300);
  ImageInfo info;
  const std::string bytes = Bytes(h, &info);
  EXPECT_EQ(info.applied_index, h.index);
  EXPECT_EQ(info.applied_term, 7u);
  EXPECT_EQ(info.revision, h.store->revision());
  EXPECT_EQ(info.meta_rows, 5u);
  for (size_t piece : {size_t{1}, size_t{13}, size_t{4096}, bytes.size()}) {
    const auto loaded = Loaded(bytes, piece);
    ExpectSame(h, *loaded);
    EXPECT_EQ(Bytes(*loaded), bytes) << "an image of the same state is the same bytes";
  }
  auto loaded = Loaded(bytes);
  ASSERT_TRUE(loaded->Alarm(2, 5, 1).ok());
  ASSERT_TRUE(loaded->Revoke(7).ok());
  ASSERT_TRUE(loaded->Put("k1", "after").ok());
}

TEST(Image, LargeValuesAndManyPieces) {
  MvccHarness h;
  for (int i = 0; i < 30; i++) {
    ASSERT_TRUE(h.Put("big" + std::to_string(i % 4), std::string(700000 + i, 'x')).ok());
  }
  const auto loaded = Loaded(Bytes(h));
  ExpectSame(h, *loaded);
}

TEST(Image, AViewIsAMoment) {
  MvccHarness h;
  Fill(&h, 60);
  const std::string before = Bytes(h);
  ImageStream stream(h.engine.get(), h.store->Pin());
  std::string bytes;
  bool done = false;
  for (int piece = 0; !done && piece < 1000; piece++) {
    ASSERT_TRUE(stream.Next(&bytes, &done).ok());
    ASSERT_TRUE(h.Alarm(2, 5, 1).ok());
    ASSERT_TRUE(h.Put("later", "x").ok());
    ASSERT_TRUE(h.Delete("k", "l").ok());
    h.Begin();
    h.store->PutMeta("member/conf", "later");
    h.Commit();
  }
  EXPECT_TRUE(bytes == before);
}

/// Whatever a compaction had done when the image was taken, what is loaded is the finished one.
TEST(Image, CompactionUnderWay) {
  for (int steps = 0; steps < 8; steps++) {
    StoreOptions options;
    options.compaction_batch_limit = 6;
    MvccHarness h(options);
    Fill(&h, 80);
    ASSERT_TRUE(h.Compact(h.store->revision() / 2).ok());
    ASSERT_TRUE(h.Compact(h.store->revision() - 5).ok());
    h.sink.publications.clear();
    bool more = true;
    for (int i = 0; i < steps && more; i++) ASSERT_TRUE(h.store->CompactStep(&more).ok());
    const auto loaded = Loaded(Bytes(h));
    EXPECT_EQ(loaded->store->CompactionDone(), h.store->Pin()->compact_revision);
    ExpectSame(h, *loaded);
    ASSERT_TRUE(h.FinishCompaction());
    ExpectSame(h, *loaded);
    EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, loaded->store->sizes().db_size_in_use_bytes);
    EXPECT_TRUE(Bytes(h) == Bytes(*loaded));
  }
}

TEST(Image, EveryFlippedOrMissingByteIsRefused) {
  MvccHarness h;
  Fill(&h, 12);
  const std::string bytes = Bytes(h);
  for (size_t at = 0; at < bytes.size(); at++) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    ImageInfo info;
    const std::unique_ptr<Engine> engine = NewMemoryEngine();
    const Status status = Load(damaged, engine.get(), &info);
    ASSERT_FALSE(status.ok()) << "byte " << at;
    EXPECT_TRUE(status.code() == Code::kDamaged || status.code() == Code::kWrongFormat);
    EXPECT_NE(status.detail().find("offset"), std::string_view::npos) << status.ToString();
  }
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 50) {
    ImageInfo info;
    const std::unique_ptr<Engine> engine = NewMemoryEngine();
    EXPECT_EQ(Load(bytes.substr(0, length), engine.get(), &info).code(), Code::kDamaged);
  }
  ImageInfo info;
  const std::unique_ptr<Engine> engine = NewMemoryEngine();
  EXPECT_EQ(Load(bytes + bytes, engine.get(), &info).code(), Code::kDamaged);
}

class ImageFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "metastore_images";
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names = *FileLayer::Posix()->List(directory_);
    return names;
  }
  std::string directory_;
};

TEST_F(ImageFiles, SaveLoadAndKeepTwo) {
  FileLayer* files = FileLayer::Posix();
  const std::unique_ptr<Engine> unused = NewMemoryEngine();
  Result<std::optional<ImageInfo>> none = LoadNewestImage(files, directory_, unused.get());
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  MvccHarness h;
  Fill(&h, 30);
  ImageInfo info;
  ASSERT_TRUE(SaveImage(files, directory_, h.engine.get(), h.store->Pin(), &info).ok());
  const uint64_t first = h.index;
  std::ofstream(directory_ + "/00000000000000ff.image.tmp") << "left over";
  std::ofstream(directory_ + "/notes.txt") << "not ours";
  ASSERT_TRUE(h.Delete("k", "l").ok());
  ASSERT_TRUE(SaveImage(files, directory_, h.engine.get(), h.store->Pin(), &info).ok());
  ASSERT_TRUE(h.Put("third", "x").code() == Code::kNoSpace);
  ASSERT_TRUE(SaveImage(files, directory_, h.engine.get(), h.store->Pin(), &info).ok());
  EXPECT_EQ(*ListImages(files, directory_), (std::vector<uint64_t>{first + 2, first + 1}));
  EXPECT_EQ(Names().size(), 3u) << "two images and what is not ours";
  EXPECT_EQ(ImagePath("d", 255), "d/00000000000000ff.image");
  std::shared_ptr<Engine> engine = NewMemoryEngine();
  Result<std::optional<ImageInfo>> loaded = LoadNewestImage(files, directory_, engine.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ((*loaded)->applied_index, first + 2);
  EXPECT_EQ((*loaded)->size_bytes, info.size_bytes);
  ExpectSame(h, MvccHarness(StoreOptions(), std::move(engine)));
}

/// A power cut after SaveImage has returned: the image is there, whole.
TEST_F(ImageFiles, SavedImagesSurviveAPowerCut) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    std::filesystem::remove_all(directory_);
    MvccHarness h;
    Fill(&h, 40);
    ImageInfo info;
    {
      const std::unique_ptr<FileLayer> lossy = FileLayer::Lossy(seed);
      ASSERT_TRUE(SaveImage(lossy.get(), directory_, h.engine.get(), h.store->Pin(), &info).ok());
      ASSERT_TRUE(h.Delete("k", "l").ok());
      ASSERT_TRUE(SaveImage(lossy.get(), directory_, h.engine.get(), h.store->Pin(), &info).ok());
    }
    std::shared_ptr<Engine> engine = NewMemoryEngine();
    Result<std::optional<ImageInfo>> loaded =
        LoadNewestImage(FileLayer::Posix(), directory_, engine.get());
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    ASSERT_TRUE(loaded->has_value()) << "seed " << seed;
    EXPECT_EQ((*loaded)->applied_index, h.index);
    ExpectSame(h, MvccHarness(StoreOptions(), std::move(engine)));
  }
}

TEST_F(ImageFiles, DamageNamesTheFileAndNeverFallsBack) {
  FileLayer* files = FileLayer::Posix();
  MvccHarness h;
  Fill(&h, 30);
  ImageInfo info;
  ASSERT_TRUE(SaveImage(files, directory_, h.engine.get(), h.store->Pin(), &info).ok());
  ASSERT_TRUE(h.Delete("k", "l").ok());
  ASSERT_TRUE(SaveImage(files, directory_, h.engine.get(), h.store->Pin(), &info).ok());
  const std::string path = ImagePath(directory_, h.index);
  std::filesystem::resize_file(path, info.size_bytes - 1);
  const std::unique_ptr<Engine> engine = NewMemoryEngine();
  Result<std::optional<ImageInfo>> loaded = LoadNewestImage(files, directory_, engine.get());
  EXPECT_EQ(loaded.status().code(), Code::kDamaged);
  EXPECT_NE(loaded.status().detail().find(path), std::string_view::npos);
  EXPECT_NE(loaded.status().detail().find("offset"), std::string_view::npos);
  // Renamed, an image is not what its name says.
  std::filesystem::rename(ImagePath(directory_, h.index - 1), path);
  const std::unique_ptr<Engine> other = NewMemoryEngine();
  EXPECT_EQ(LoadNewestImage(files, directory_, other.get()).status().code(), Code::kDamaged);
}

#ifdef METASTORE_ROCKSDB
TEST_F(ImageFiles, EnginesExchangeImages) {
  MvccHarness h;
  Fill(&h, 120);
  ASSERT_TRUE(h.Compact(40).ok());
  const std::string bytes = Bytes(h);
  RocksOptions options;
  options.directory = directory_ + "/rocks";
  std::filesystem::create_directories(directory_);
  Result<std::unique_ptr<Engine>> engine = OpenRocksEngine(options);
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  ImageInfo info;
  const Status status = Load(bytes, engine->get(), &info);
  ASSERT_TRUE(status.ok()) << status.ToString();
  MvccHarness rocks(StoreOptions(), std::move(*engine));
  ExpectSame(h, rocks);
  const auto back = Loaded(Bytes(rocks));
  ExpectSame(h, *back);
  ASSERT_TRUE(rocks.Alarm(2, 5, 1).ok());
  ASSERT_TRUE(rocks.Put("k1", "after").ok());
  ASSERT_TRUE(rocks.Revoke(7).ok());
}
#endif

}  // namespace
}  // namespace metastore::testing
