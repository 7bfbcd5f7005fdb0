#include "index/snapshot.h"

#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    std::string pattern = (fs::temp_directory_path() / "ragtime-snapshot-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    file_ = folder_ / "index.snapshot";
  }
  ~SnapshotTest() override { fs::remove_all(folder_); }

  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  std::string read() const {
    std::ifstream file(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(std::string_view bytes) const {
    std::ofstream(file_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  void write_small() const {
    auto writer = SnapshotWriter::create(file_).value();
    writer->column("floats", std::span<const float>(floats_));
    writer->column("nothing", std::span<const std::uint64_t>());
    writer->column("bytes", std::span<const std::uint8_t>(bytes_));
    writer->finish().value();
  }
  bool holds_small(const SnapshotReader& reader) const {
    const auto floats = reader.column<float>("floats");
    const auto nothing = reader.column<std::uint64_t>("nothing");
    const auto bytes = reader.column<std::uint8_t>("bytes");
    return floats && nothing && bytes && std::ranges::equal(*floats, floats_) && nothing->empty() &&
           std::ranges::equal(*bytes, bytes_);
  }

  fs::path folder_;
  fs::path file_;
  std::vector<float> floats_{1.5F, -2.0F, 0.0F};
  std::vector<std::uint8_t> bytes_{1, 2, 3, 4, 5, 6, 7};
};

TEST_F(SnapshotTest, GivesBackWhatWasWritten) {
  write_small();
  const auto reader = SnapshotReader::open(file_).value();
  EXPECT_TRUE(holds_small(*reader));
}

TEST_F(SnapshotTest, KeptColumnsOutliveTheReaderAndCopyNothing) {
  write_small();
  auto reader = SnapshotReader::open(file_).value();
  const auto floats = reader->keep<float>("floats").value();
  const auto bytes = reader->keep<std::uint8_t>("bytes", bytes_.size()).value();
  EXPECT_EQ(floats.data(), reader->column<float>("floats")->data());
  reader.reset();
  fs::remove(file_);
  EXPECT_TRUE(std::ranges::equal(floats, floats_));
  EXPECT_TRUE(std::ranges::equal(bytes, bytes_));
}

TEST_F(SnapshotTest, KeptColumnsOfAnotherSizeAreCorrupt) {
  write_small();
  const auto reader = SnapshotReader::open(file_).value();
  EXPECT_EQ(reader->keep<float>("floats", 4).error().code, ErrorCode::corrupt);
  EXPECT_EQ(reader->keep<float>("absent").error().code, ErrorCode::corrupt);
}

TEST_F(SnapshotTest, ColumnsBeginAtPages) {
  write_small();
  const auto reader = SnapshotReader::open(file_).value();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(reader->column<float>("floats")->data()) % 4096, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(reader->column<std::uint8_t>("bytes")->data()) % 4096, 0U);
}

TEST_F(SnapshotTest, AFileWithoutColumnsIsOne) {
  SnapshotWriter::create(file_).value()->finish().value();
  EXPECT_TRUE(SnapshotReader::open(file_));
}

TEST_F(SnapshotTest, ManyColumnsKeepTheirNames) {
  auto writer = SnapshotWriter::create(file_).value();
  for (std::uint32_t i = 0; i < 300; ++i) writer->column(std::to_string(i), std::span<const std::uint32_t>(&i, 1));
  writer->finish().value();
  const auto reader = SnapshotReader::open(file_).value();
  for (std::uint32_t i = 0; i < 300; ++i) EXPECT_EQ(reader->column<std::uint32_t>(std::to_string(i))->front(), i);
}

TEST_F(SnapshotTest, OnlyTheOwnerMayRead) {
  write_small();
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(SnapshotTest, AbsentColumnsAndOtherTypesAreCorrupt) {
  write_small();
  const auto reader = SnapshotReader::open(file_).value();
  EXPECT_EQ(reader->column<float>("absent").error().code, ErrorCode::corrupt);
  EXPECT_EQ(reader->column<double>("floats").error().code, ErrorCode::corrupt);
  EXPECT_NE(reader->column<float>("absent").error().message.find(file_.string()), std::string::npos);
  EXPECT_NE(reader->column<float>("absent").error().message.find("absent"), std::string::npos);
}

TEST_F(SnapshotTest, AnAbsentFileIsNotFound) {
  EXPECT_EQ(SnapshotReader::open(file_).error().code, ErrorCode::not_found);
}

TEST_F(SnapshotTest, AFolderIsRefused) {
  EXPECT_EQ(SnapshotReader::open(folder_).error().code, ErrorCode::unavailable);
  EXPECT_EQ(SnapshotWriter::create(folder_ / "absent" / "x").error().code, ErrorCode::unavailable);
}

TEST_F(SnapshotTest, WithoutFinishThereIsNoFile) {
  {
    auto writer = SnapshotWriter::create(file_).value();
    writer->column("floats", std::span<const float>(floats_));
    EXPECT_EQ(files(), 1U);
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(SnapshotTest, WithoutFinishTheOldOneStays) {
  write_small();
  SnapshotWriter::create(file_).value()->column("other", std::span<const float>(floats_));
  EXPECT_TRUE(holds_small(*SnapshotReader::open(file_).value()));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SnapshotTest, ReplacesWhatAKilledWriterLeft) {
  std::ofstream(file_.string() + ".partial") << "half of a file";
  write_small();
  EXPECT_TRUE(holds_small(*SnapshotReader::open(file_).value()));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SnapshotTest, AnOpenReaderKeepsWhatItMapped) {
  write_small();
  const auto reader = SnapshotReader::open(file_).value();
  SnapshotWriter::create(file_).value()->finish().value();
  EXPECT_TRUE(holds_small(*reader));
  EXPECT_FALSE(holds_small(*SnapshotReader::open(file_).value()));
}

TEST_F(SnapshotTest, EveryTruncationIsDetected) {
  write_small();
  const std::string whole = read();
  const auto parse_first = [&](std::size_t size) {
    return SnapshotReader::parse("part", std::as_bytes(std::span(whole).first(size)));
  };
  EXPECT_TRUE(holds_small(*parse_first(whole.size()).value()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto reader = parse_first(size);
    ASSERT_FALSE(reader) << size;
    EXPECT_EQ(reader.error().code, ErrorCode::corrupt) << size;
  }
  for (const std::size_t size : {whole.size() - 1, std::size_t{4096}, std::size_t{0}}) {
    write(std::string_view(whole).substr(0, size));
    EXPECT_EQ(SnapshotReader::open(file_).error().code, ErrorCode::corrupt) << size;
  }
  write(whole + "x");
  EXPECT_EQ(SnapshotReader::open(file_).error().code, ErrorCode::corrupt);
}

// Most of a small file is padding, so every other flip is aimed at what is not.
TEST_F(SnapshotTest, FlippedBitsAreDetectedOrHarmless) {
  constexpr std::uint32_t kSeed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  write_small();
  const std::string whole = read();
  std::vector<std::size_t> used;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] != 0) used.push_back(i);
  }
  std::mt19937 random(kSeed);
  int detected = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    const std::size_t at = i % 2 == 0 ? used[random() % used.size()] : random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
    const auto reader = SnapshotReader::parse("flipped", std::as_bytes(std::span(bytes)));
    if (reader) {
      EXPECT_TRUE(holds_small(**reader)) << "byte " << at;
    } else {
      ++detected;
    }
  }
  EXPECT_GE(detected, 1000);
}

TEST_F(SnapshotTest, ChecksumErrorsNameTheColumn) {
  write_small();
  std::string bytes = read();
  bytes[4096] = static_cast<char>(bytes[4096] ^ 1);
  write(bytes);
  const Error error = SnapshotReader::open(file_).error();
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_NE(error.message.find("floats"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find(file_.string()), std::string::npos) << error.message;
}

TEST_F(SnapshotTest, OtherVersionsAreUnsupported) {
  write_small();
  std::string bytes = read();
  const char other = static_cast<char>(bytes[8] + 1);
  bytes[8] = other;
  write(bytes);
  const Error error = SnapshotReader::open(file_).error();
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.message.find("version " + std::to_string(other)), std::string::npos) << error.message;
}

TEST_F(SnapshotTest, OtherMachinesAreUnsupported) {
  write_small();
  const std::string whole = read();
  std::string swapped = whole;
  std::swap(swapped[12], swapped[13]);
  write(swapped);
  EXPECT_EQ(SnapshotReader::open(file_).error().code, ErrorCode::unsupported);
  std::string narrow = whole;
  narrow[14] = 4;
  write(narrow);
  EXPECT_EQ(SnapshotReader::open(file_).error().code, ErrorCode::unsupported);
}

// The limit on the size of files stands in for a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(SnapshotTest, AFullDiskIsUnavailableAndKeepsTheOldFile) {
  write_small();
  const std::vector<std::uint8_t> big(100'000, 7);
  Result<void> result;
  {
    const FileSizeLimit limit(50'000);
    auto writer = SnapshotWriter::create(file_).value();
    writer->column("big", std::span<const std::uint8_t>(big));
    writer->column("after", std::span<const float>(floats_));
    result = writer->finish();
  }
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::unavailable);
  EXPECT_NE(result.error().message.find(file_.string()), std::string::npos) << result.error().message;
  EXPECT_TRUE(holds_small(*SnapshotReader::open(file_).value()));
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace ragtime::index
