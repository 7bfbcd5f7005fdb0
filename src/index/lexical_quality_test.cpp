// Retrieval quality of the analysis and BM25 together, on question sets that are not part of the repository.
// RAGTIME_DATA names their directory; without the data the tests are skipped.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <unordered_map>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <zlib.h>

#include "index/lexical_index.h"
#include "text/analyzer.h"

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kQueries = 500;
constexpr std::size_t kDepth = 5;

fs::path data_directory() {
  const char* configured = std::getenv("RAGTIME_DATA");
  return configured != nullptr ? fs::path(configured) : fs::path(RAGTIME_SOURCE_DIR) / "../shared/data";
}

std::string read_compressed(const fs::path& path) {
  std::string content;
  std::string buffer(1 << 16, '\0');
  gzFile file = gzopen(path.c_str(), "rb");
  for (int count = 1; file != nullptr && count > 0;) {
    count = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()));
    if (count > 0) content.append(buffer, 0, static_cast<std::size_t>(count));
  }
  if (file != nullptr) gzclose(file);
  return content;
}

struct Entry {
  std::string id;
  std::string text;
};

std::vector<Entry> read_entries(const fs::path& path) {
  std::vector<Entry> entries;
  std::istringstream lines(read_compressed(path));
  for (std::string line; std::getline(lines, line);) {
    const auto object = boost::json::parse(line).as_object();
    std::string text(object.at("text").as_string());
    if (const auto* title = object.if_contains("title")) text = std::string(title->as_string()) + "\n" + text;
    entries.push_back({std::string(object.at("_id").as_string()), std::move(text)});
  }
  return entries;
}

std::unordered_map<std::string, std::string> read_relevant(const fs::path& path) {
  std::unordered_map<std::string, std::string> relevant;
  std::ifstream file(path);
  std::string query, document, score;
  for (file >> query >> document >> score; file >> query >> document >> score;) relevant[query] = document;
  return relevant;
}

class LexicalQuality : public testing::Test {
 protected:
  // Share of sampled questions whose one relevant paragraph is among the first kDepth hits; below 0 without data.
  double recall(const std::string& set) {
    const fs::path directory = data_directory() / set;
    if (!fs::exists(directory)) return -1;
    const auto documents = read_entries(directory / "corpus.jsonl.gz");
    LexicalIndex index;
    std::vector<LexicalIndex::Addition> added;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      added.push_back({static_cast<ChunkId>(i), {}, text::analyze(documents[i].text)});
    }
    index.apply({}, added);
    const auto view = index.view();
    auto queries = read_entries(directory / "queries.jsonl.gz");
    std::shuffle(queries.begin(), queries.end(), std::mt19937(seed_));
    queries.resize(std::min(kQueries, queries.size()));
    const auto relevant = read_relevant(directory / "qrels.tsv");
    std::size_t found = 0;
    for (const Entry& query : queries) {
      LexicalQuery lexical;
      lexical.terms = text::analyze(query.text);
      lexical.k = kDepth;
      const auto hits = view->search(lexical);
      found += std::any_of(hits.begin(), hits.end(), [&](const Hit& hit) {
        return documents[static_cast<std::size_t>(hit.id)].id == relevant.at(query.id);
      });
    }
    const double share = static_cast<double>(found) / static_cast<double>(queries.size());
    RecordProperty("recall_at_5", std::to_string(share));
    return share;
  }

  void expect_recall(const std::string& set, double minimum) {
    SCOPED_TRACE(testing::Message() << "seed " << seed_);
    const double share = recall(set);
    if (share < 0) GTEST_SKIP() << "no " << set << " in " << data_directory();
    EXPECT_GE(share, minimum);
    std::cout << set << ": recall@5 " << share << ", seed " << seed_ << '\n';
  }

  unsigned seed_ = std::random_device{}();
};

TEST_F(LexicalQuality, ChineseQuestions) {
  expect_recall("cmrc2018", 0.98);
}
TEST_F(LexicalQuality, EnglishQuestions) {
  expect_recall("squad-dev", 0.90);
}

}  // namespace
}  // namespace ragtime::index
