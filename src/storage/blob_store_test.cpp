#include "storage/blob_store.h"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::storage {
namespace {

namespace fs = std::filesystem;

class BlobStoreTest : public ::testing::Test {
 protected:
  BlobStoreTest() : blobs_(std::move(open_directory_blobs(root_).value())) {}

  BlobInfo put(std::string_view content) {
    auto writer = std::move(blobs_->create().value());
    EXPECT_TRUE(writer->write(content).has_value());
    return writer->commit().value();
  }

  std::size_t files_under(const fs::path& directory) {
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) files += entry.is_regular_file() ? 1 : 0;
    return files;
  }

  TemporaryDirectory directory_;
  const fs::path root_ = directory_.path() / "data" / "files";
  std::unique_ptr<BlobStore> blobs_;
};

TEST_F(BlobStoreTest, ContentIsFoundByItsHash) {
  auto writer = std::move(blobs_->create().value());
  ASSERT_TRUE(writer->write("hello ").has_value());
  ASSERT_TRUE(writer->write("world").has_value());
  const auto info = writer->commit().value();
  EXPECT_EQ(info.sha256, sha256_hex("hello world"));
  EXPECT_EQ(info.bytes, 11);
  writer.reset();
  std::ifstream file(blobs_->path(info.sha256).value());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "hello world");
}

TEST_F(BlobStoreTest, RangesAreRead) {
  const auto info = put("0123456789");
  EXPECT_EQ(blobs_->read(info.sha256, 0, 100).value(), "0123456789");
  EXPECT_EQ(blobs_->read(info.sha256, 4, 3).value(), "456");
  EXPECT_EQ(blobs_->read(info.sha256, 8, 3).value(), "89");
  EXPECT_EQ(blobs_->read(info.sha256, 10, 3).value(), "");
  EXPECT_EQ(blobs_->read(info.sha256, 99, 3).value(), "");
  EXPECT_EQ(blobs_->read(info.sha256, -1, 3).error().code, ErrorCode::invalid_argument);
}

TEST_F(BlobStoreTest, EmptyContentIsContent) {
  const auto info = put("");
  EXPECT_EQ(info.bytes, 0);
  EXPECT_EQ(blobs_->read(info.sha256, 0, 10).value(), "");
}

TEST_F(BlobStoreTest, SameContentIsKeptOnce) {
  put("twice");
  put("twice");
  EXPECT_EQ(files_under(root_), 1u);
  EXPECT_EQ(blobs_->read(sha256_hex("twice"), 0, 10).value(), "twice");
}

TEST_F(BlobStoreTest, InterruptedWriterLeavesNothing) {
  {
    auto writer = std::move(blobs_->create().value());
    ASSERT_TRUE(writer->write("half").has_value());
    EXPECT_EQ(files_under(root_), 1u);
  }
  EXPECT_EQ(files_under(root_), 0u);
}

TEST_F(BlobStoreTest, LeftoversOfACrashAreClearedAtOpen) {
  put("kept");
  std::ofstream(root_ / "tmp" / "upload-of-a-killed-process") << "half";
  blobs_ = std::move(open_directory_blobs(root_).value());
  EXPECT_TRUE(fs::is_empty(root_ / "tmp"));
  EXPECT_TRUE(blobs_->path(sha256_hex("kept")).has_value());
}

TEST_F(BlobStoreTest, RemovedContentIsGone) {
  const auto info = put("gone");
  EXPECT_TRUE(blobs_->remove(info.sha256).has_value());
  EXPECT_TRUE(blobs_->remove(info.sha256).has_value());
  EXPECT_EQ(blobs_->path(info.sha256).error().code, ErrorCode::not_found);
  EXPECT_EQ(blobs_->read(info.sha256, 0, 1).error().code, ErrorCode::not_found);
  EXPECT_EQ(files_under(root_), 0u);
}

TEST_F(BlobStoreTest, NamesThatAreNoHashReachNoFile) {
  std::ofstream(directory_.path() / "secret") << "secret";
  for (const auto* name : {"", "..", "../../secret", "/etc/passwd", "ABCDEF"}) {
    EXPECT_EQ(blobs_->path(name).error().code, ErrorCode::not_found) << name;
    EXPECT_EQ(blobs_->read(name, 0, 1).error().code, ErrorCode::not_found) << name;
    EXPECT_TRUE(blobs_->remove(name).has_value()) << name;
  }
  EXPECT_TRUE(fs::exists(directory_.path() / "secret"));
}

TEST_F(BlobStoreTest, DirectoriesAndFilesArePrivate) {
  put("private");
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700u : 0600u) << entry.path();
  }
}

TEST_F(BlobStoreTest, UnusableDirectoryIsUnavailable) {
  const fs::path file = directory_.path() / "file";
  std::ofstream(file) << "x";
  EXPECT_EQ(open_directory_blobs(file).error().code, ErrorCode::unavailable);
  EXPECT_EQ(open_directory_blobs(file / "below").error().code, ErrorCode::unavailable);
}

TEST_F(BlobStoreTest, UploadsOfTheSameContentDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) put("content " + std::to_string(i));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(files_under(root_), 10u);
}

}  // namespace
}  // namespace ragtime::storage
