// Saving and loading of every kind of vector index, and what damage does that checksums did not see.

#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>

#include <gmock/gmock.h>

#include "index/snapshot.h"
#include "index/vector_segment.h"
#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

using Bytes = std::vector<std::byte>;

struct Column {
  Bytes bytes;
  std::size_t element_size = 0;
};
using Columns = std::map<std::string, Column, std::less<>>;

class ColumnsWriter final : public SnapshotWriter {
 public:
  using SnapshotWriter::column;
  void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) override {
    EXPECT_TRUE(columns.emplace(name, Column{{bytes.begin(), bytes.end()}, element_size}).second) << name;
  }
  Result<void> finish() override { return {}; }

  Columns columns;
};

class ColumnsReader final : public SnapshotReader {
 public:
  explicit ColumnsReader(const Columns& columns) : columns_(columns) {}
  using SnapshotReader::column;
  Result<std::span<const std::byte>> column(std::string_view name, std::size_t element_size) const override {
    const auto found = columns_.find(name);
    if (found == columns_.end() || found->second.element_size != element_size) {
      return make_error(ErrorCode::corrupt, "No column " + std::string(name));
    }
    return std::span<const std::byte>(found->second.bytes);
  }

 private:
  const Columns& columns_;
};

class VectorSnapshotTest : public testing::TestWithParam<VectorKind> {
 protected:
  VectorSnapshotTest() {
    VectorIndex index(48, options());
    add_all(index, vectors_);
    merge_now(index);
    ColumnsWriter writer;
    index.save(writer);
    columns_ = writer.columns;
    expected_ = index.view()->search({.vector = vectors_[7]});
  }

  VectorIndexOptions options() const { return {.kind = GetParam()}; }
  Result<VectorIndex> load(std::size_t dimensions = 48) const {
    return VectorIndex::load(ColumnsReader(columns_), dimensions, options());
  }

  TestVectors vectors_ = embedding_like(300, 48, 1);
  Columns columns_;
  std::vector<Hit> expected_;
};

TEST_P(VectorSnapshotTest, AnswersAsBefore) {
  const auto index = load();
  ASSERT_TRUE(index.has_value()) << index.error().message;
  EXPECT_EQ(index->base_ids().size(), 300u);
  const auto found = index->view()->search({.vector = vectors_[7]});
  ASSERT_EQ(found.size(), expected_.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].id, expected_[i].id);
    EXPECT_EQ(found[i].score, expected_[i].score);
  }
  EXPECT_EQ(index->view()->report().reason, "Set by the configuration.");
}

TEST_P(VectorSnapshotTest, OtherDimensionsAreAConflict) {
  EXPECT_EQ(load(47).error().code, ErrorCode::conflict);
}

TEST_P(VectorSnapshotTest, AbsentOrShorterColumnsAreFound) {
  const Columns whole = columns_;
  for (const auto& [name, column] : whole) {
    columns_ = whole;
    columns_.erase(name);
    EXPECT_EQ(load().error().code, ErrorCode::corrupt) << name;
    const bool may_have_any_size = name.ends_with("reason") || name.ends_with("efforts") || name.ends_with("twins");
    if (column.bytes.empty() || may_have_any_size) continue;
    columns_ = whole;
    columns_[name].bytes.resize(column.bytes.size() - column.element_size);
    EXPECT_TRUE(load().has_error()) << name;
  }
}

TEST_P(VectorSnapshotTest, CentroidsThatAreNoNumbersAreRefused) {
  const auto centroid = columns_.find("vector.centroid");
  if (centroid == columns_.end()) GTEST_SKIP() << "a kind without one";
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f}) {
    std::memcpy(centroid->second.bytes.data() + sizeof value, &value, sizeof value);
    EXPECT_EQ(load().error().code, ErrorCode::corrupt) << value;
  }
}

// For the address sanitizer: whatever loads is searched without leaving its memory.
TEST_P(VectorSnapshotTest, ChangedBytesAreFoundOrHarmless) {
  const Columns whole = columns_;
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    columns_ = whole;
    auto at = std::next(columns_.begin(), static_cast<std::ptrdiff_t>(random() % columns_.size()));
    if (at->second.bytes.empty()) continue;
    at->second.bytes[random() % at->second.bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
    const auto index = load();
    if (!index) continue;
    EXPECT_LE(index->view()->search({.vector = vectors_[1], .k = 20}).size(), 20u);
    EXPECT_LE(index->view()->search({.vector = vectors_[1], .k = 300}).size(), 300u);
  }
}

TEST(VectorIndexSnapshot, AnEmptyIndexLoadsEmpty) {
  ColumnsWriter writer;
  VectorIndex(5, {}).save(writer);
  const auto index = VectorIndex::load(ColumnsReader(writer.columns), 5, {});
  ASSERT_TRUE(index.has_value());
  EXPECT_EQ(index->view()->size(), 0u);
}

std::vector<VectorKind> registered_kinds() {
  std::vector<VectorKind> kinds;
  for (const auto& factory : vector_segment_factories()) kinds.push_back(factory.kind);
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(, VectorSnapshotTest, testing::ValuesIn(registered_kinds()),
                         [](const auto& test) { return std::string(vector_kind_name(test.param)); });

}  // namespace
}  // namespace ragtime::index
