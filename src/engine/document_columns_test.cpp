// Documents in a snapshot: what is saved comes back, and whatever the columns hold is read without harm.

#include "engine/document_columns.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

struct Column {
  std::vector<std::byte> bytes;
  std::size_t element_size = 1;
};

class MemorySnapshot final : public index::SnapshotWriter, public index::SnapshotReader {
 public:
  using SnapshotReader::column;
  using SnapshotWriter::column;
  void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) override {
    columns[std::string(name)] = {{bytes.begin(), bytes.end()}, element_size};
  }
  Result<void> finish() override { return {}; }
  Result<std::span<const std::byte>> column(std::string_view name, std::size_t element_size) const override {
    const auto found = columns.find(std::string(name));
    if (found == columns.end() || found->second.element_size != element_size) {
      return make_error(ErrorCode::corrupt, "no column");
    }
    return std::span<const std::byte>(found->second.bytes);
  }

  std::map<std::string, Column> columns;
};

DocumentEntry entry(int number, std::int64_t first, std::int64_t last) {
  DocumentEntry entry;
  entry.info.file_id = "file-" + std::to_string(number);
  entry.info.filename = "name of " + std::to_string(number) + ".txt";
  entry.chunks = {first, last};
  entry.embedded = number % 2 == 0;
  return entry;
}

MemorySnapshot saved_three() {
  DocumentTableWriter writer;
  writer.put(entry(3, 50, 50));
  auto first = entry(1, 1, 4);
  first.info.attributes = {{"flag", true}, {"lang", std::string("zh \xE4\xBD\xA0")}, {"year", 2026.5}, {"zero", false}};
  writer.put(first);
  writer.put(entry(2, 9, 11));
  MemorySnapshot snapshot;
  save_documents(snapshot, *writer.table(), 77);
  return snapshot;
}

TEST(DocumentColumns, GiveBackWhatWasSavedInTheOrderOfChunks) {
  const auto saved = load_documents(saved_three());
  ASSERT_TRUE(saved.has_value()) << saved.error().message;
  EXPECT_EQ(saved->change, 77);
  ASSERT_EQ(saved->documents.size(), 3u);
  EXPECT_EQ(saved->documents[0].file_id, "file-1");
  EXPECT_EQ(saved->documents[0].filename, "name of 1.txt");
  EXPECT_EQ(saved->documents[0].chunks.last, 4);
  EXPECT_EQ(saved->documents[0].attributes.size(), 4u);
  EXPECT_EQ(std::get<std::string>(saved->documents[0].attributes.at("lang")), "zh \xE4\xBD\xA0");
  EXPECT_EQ(std::get<double>(saved->documents[0].attributes.at("year")), 2026.5);
  EXPECT_TRUE(std::get<bool>(saved->documents[0].attributes.at("flag")));
  EXPECT_FALSE(std::get<bool>(saved->documents[0].attributes.at("zero")));
  EXPECT_EQ(saved->documents[1].file_id, "file-2");
  EXPECT_TRUE(saved->documents[1].embedded);
  EXPECT_FALSE(saved->documents[2].embedded);
}

TEST(DocumentColumns, NoDocumentsAreSavedAndLoaded) {
  MemorySnapshot snapshot;
  save_documents(snapshot, *DocumentTableWriter().table(), 0);
  EXPECT_TRUE(load_documents(snapshot)->documents.empty());
}

TEST(DocumentColumns, AbsentAndShorterColumnsAreCorrupt) {
  const MemorySnapshot whole = saved_three();
  for (const auto& [name, column] : whole.columns) {
    MemorySnapshot damaged = whole;
    damaged.columns.erase(name);
    EXPECT_EQ(load_documents(damaged).error().code, ErrorCode::corrupt) << name;
    damaged = whole;
    damaged.columns[name].bytes.resize(column.bytes.size() - column.element_size);
    EXPECT_EQ(load_documents(damaged).error().code, ErrorCode::corrupt) << name;
  }
}

// For the address sanitizer.
TEST(DocumentColumns, ChangedBytesAreFoundOrHarmless) {
  const MemorySnapshot whole = saved_three();
  constexpr unsigned kSeed = 11;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    MemorySnapshot damaged = whole;
    auto& bytes = std::next(damaged.columns.begin(), static_cast<std::ptrdiff_t>(random() % 3))->second.bytes;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
    }
    const auto saved = load_documents(damaged);
    EXPECT_TRUE(!saved || saved->documents.size() == 3u) << "seed " << kSeed;
  }
}

TEST(DocumentColumns, ChangesTakeTheirPlace) {
  auto saved = load_documents(saved_three()).value();
  storage::DocumentChanges changes;
  changes.absent = {"file-3", "file-unknown"};
  storage::DocumentChunks anew;
  anew.file_id = "file-1";
  anew.chunks = {60, 61};
  changes.present.push_back(anew);
  anew.file_id = "file-4";
  anew.chunks = {55, 55};
  changes.present.push_back(anew);
  std::vector<std::string> ids;
  for (const auto& document : brought_up_to_date(std::move(saved), std::move(changes))) {
    ids.push_back(document.file_id + " " + std::to_string(document.chunks.first));
  }
  EXPECT_THAT(ids, ::testing::ElementsAre("file-2 9", "file-4 55", "file-1 60"));
}

}  // namespace
}  // namespace ragtime::engine
