#include "index/column_file.h"

#include <fstream>
#include <numeric>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;

class ColumnFileTest : public testing::Test {
 protected:
  ~ColumnFileTest() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("ragtime-column-file-" + std::to_string(::getpid()));
};

// Of this process, bytes in pages that are mapped now.
std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(ColumnFileTest, WhatIsReleasedIsNotResidentAndNotLost) {
  constexpr std::size_t kCount = std::size_t{8} << 20;
  FileColumn<std::uint32_t> made(kCount, folder_);
  ASSERT_TRUE(made.is_in_file);
  EXPECT_EQ(made.column[kCount - 1], 0u);
  std::iota(made.column.data(), made.column.data() + kCount, 7u);
  const std::size_t before = resident_bytes();
  release_pages(std::as_bytes(made.column.span()));
  EXPECT_LT(resident_bytes() + made.column.bytes() / 2, before);
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(made.column[i], i + 7);
}

TEST_F(ColumnFileTest, FilesHaveNoName) {
  const FileColumn<float> made(1000, folder_);
  EXPECT_TRUE(made.is_in_file);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(ColumnFileTest, WithoutAFileItIsMemory) {
  const auto missing = folder_ / "missing" / "deeper";
  EXPECT_EQ(map_nameless_file(missing, 10).error().code, ErrorCode::unavailable);
  for (const auto& directory : {fs::path(), missing}) {
    FileColumn<float> made(100, directory);
    EXPECT_FALSE(made.is_in_file);
    made.column[99] = 5;
    EXPECT_EQ(made.column[99], 5);
  }
  EXPECT_TRUE(FileColumn<float>(0, folder_).column.empty());
}

TEST_F(ColumnFileTest, MoreThanTheDiskHasIsAnError) {
  EXPECT_TRUE(map_nameless_file(fs::temp_directory_path(), std::size_t{1} << 58).has_error());
}

}  // namespace
}  // namespace ragtime::index
