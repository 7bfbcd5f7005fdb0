// Retrieval quality of the analysis and BM25 together, on sets that are not part of the repository.
// RAGTIME_DATA names their directory; without the data the tests are skipped.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <unordered_map>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <zlib.h>

#include "index/lexical_index.h"
#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;
using Terms = std::vector<std::string>;
using Analysis = std::function<Terms(std::string_view)>;

constexpr std::size_t kDepth = 10;

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
  std::string title;
  std::string text;
};

std::vector<Entry> read_entries(const fs::path& path) {
  std::vector<Entry> entries;
  std::istringstream lines(read_compressed(path));
  for (std::string line; std::getline(lines, line);) {
    const auto object = boost::json::parse(line).as_object();
    const auto* title = object.if_contains("title");
    entries.push_back({std::string(object.at("_id").as_string()),
                       title == nullptr ? std::string() : std::string(title->as_string()),
                       std::string(object.at("text").as_string())});
  }
  return entries;
}

using Judgements = std::unordered_map<std::string, std::unordered_map<std::string, double>>;

struct Set {
  std::vector<Entry> documents;
  std::vector<Entry> queries;  // Judged ones.
  Judgements judgements;       // By query, then document.
};

void read_judgements(const fs::path& path, Judgements& judgements) {
  std::ifstream file(path);
  std::string query, document, score;
  for (file >> query >> document >> score; file >> query >> document >> score;) {
    judgements[query][document] = std::stod(score);
  }
}

bool read_set(const std::string& name, Set& set) {
  const fs::path directory = data_directory() / name;
  if (!fs::exists(directory)) return false;
  for (Entry& document : read_entries(directory / "corpus.jsonl.gz")) set.documents.push_back(std::move(document));
  read_judgements(directory / "qrels.tsv", set.judgements);
  for (Entry& query : read_entries(directory / "queries.jsonl.gz")) {
    if (set.judgements.contains(query.id)) set.queries.push_back(std::move(query));
  }
  return true;
}

struct Quality {
  double ndcg = 0;  // Linear gain, of the first ten.
  double mrr = 0;   // Of the first ten.

  Quality& operator+=(const Quality& other) {
    ndcg += other.ndcg;
    mrr += other.mrr;
    return *this;
  }
};

Quality quality_of(const std::vector<std::string>& ranking, const std::unordered_map<std::string, double>& relevant) {
  Quality quality;
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    const auto found = relevant.find(ranking[i]);
    if (found == relevant.end() || found->second <= 0) continue;
    quality.ndcg += found->second / std::log2(static_cast<double>(i) + 2);
    if (quality.mrr == 0) quality.mrr = 1 / static_cast<double>(i + 1);
  }
  std::vector<double> gains;
  for (const auto& [document, gain] : relevant) gains.push_back(gain);
  std::sort(gains.rbegin(), gains.rend());
  double ideal = 0;
  for (std::size_t i = 0; i < std::min(kDepth, gains.size()); ++i) {
    ideal += std::max(0.0, gains[i]) / std::log2(static_cast<double>(i) + 2);
  }
  quality.ndcg /= ideal;
  return quality;
}

using Search = std::function<std::vector<std::size_t>(const std::string& query)>;

Quality evaluate(const Set& set, const Search& search) {
  Quality sum;
  for (const Entry& query : set.queries) {
    std::vector<std::string> ranking;
    for (const std::size_t document : search(query.text)) ranking.push_back(set.documents[document].id);
    sum += quality_of(ranking, set.judgements.at(query.id));
  }
  const auto count = static_cast<double>(set.queries.size());
  return {sum.ndcg / count, sum.mrr / count};
}

struct Variant {
  Analysis analysis = [](std::string_view text) { return text::index_terms(text); };
  LexicalOptions options{};
};

Quality index_quality(const Set& set, const Variant& variant = {}) {
  LexicalIndex index(variant.options);
  std::vector<LexicalIndex::Addition> added;
  for (std::size_t i = 0; i < set.documents.size(); ++i) {
    const Entry& document = set.documents[i];
    added.push_back({static_cast<ChunkId>(i), variant.analysis(document.title), variant.analysis(document.text)});
  }
  index.apply({}, added);
  const auto view = index.view();
  return evaluate(set, [&](const std::string& text) {
    LexicalQuery query;
    query.terms = variant.analysis(text);
    query.k = kDepth;
    std::vector<std::size_t> found;
    for (const Hit& hit : view->search(query)) found.push_back(static_cast<std::size_t>(hit.id));
    return found;
  });
}

// BM25 once more, in double precision, out of nothing but maps of strings.
class PlainBm25 {
 public:
  PlainBm25(const Set& set, const Variant& variant) : variant_(variant) {
    for (std::size_t i = 0; i < set.documents.size(); ++i) {
      std::map<std::string, double> counts;
      double length = 0;
      for (const std::string* text : {&set.documents[i].title, &set.documents[i].text}) {
        const double weight = text == &set.documents[i].title ? variant.options.heading_weight : 1;
        for (const std::string& term : variant.analysis(*text)) counts[term] += weight, ++length;
      }
      for (const auto& [term, count] : counts) lists_[term].push_back({i, count});
      lengths_.push_back(length);
      total_ += length;
    }
  }

  std::vector<std::size_t> search(const std::string& text) const {
    std::map<std::size_t, double> scores;
    for (const std::string& term : variant_.analysis(text)) {
      if (lists_.contains(term)) add(lists_.at(term), scores);
    }
    std::vector<std::pair<double, std::size_t>> ranking;
    for (const auto& [document, score] : scores) ranking.push_back({-score, document});
    const auto end = ranking.begin() + static_cast<long>(std::min(kDepth, ranking.size()));
    std::partial_sort(ranking.begin(), end, ranking.end());
    std::vector<std::size_t> best;
    for (auto at = ranking.begin(); at != end; ++at) best.push_back(at->second);
    return best;
  }

 private:
  using List = std::vector<std::pair<std::size_t, double>>;

  void add(const List& list, std::map<std::size_t, double>& scores) const {
    const double size = static_cast<double>(lengths_.size());
    const double frequency = static_cast<double>(list.size());
    const double idf = std::log(1 + (size - frequency + 0.5) / (frequency + 0.5));
    for (const auto& [document, count] : list) {
      const double ratio = lengths_[document] * size / total_;
      const double norm = variant_.options.k1 * (1 - variant_.options.b + variant_.options.b * ratio);
      scores[document] += idf * count * (variant_.options.k1 + 1) / (count + norm);
    }
  }

  Variant variant_;
  std::unordered_map<std::string, List> lists_;
  std::vector<double> lengths_;
  double total_ = 0;
};

// A range of nDCG@10 around what the set's README and published tables say.
struct Expectation {
  const char* set;
  double least;
  double most;
};

void PrintTo(const Expectation& expectation, std::ostream* out) {
  *out << expectation.set;
}

class LexicalQuality : public testing::TestWithParam<Expectation> {};

TEST_P(LexicalQuality, EqualsAnIndependentBm25AndIsInTheKnownRange) {
  Set set;
  if (!read_set(GetParam().set, set)) GTEST_SKIP() << "no " << GetParam().set << " in " << data_directory();
  const Variant variant;
  const PlainBm25 plain(set, variant);
  const Quality expected = evaluate(set, [&](const std::string& query) { return plain.search(query); });
  const Quality ours = index_quality(set, variant);
  std::cout << GetParam().set << ": nDCG@10 " << ours.ndcg << ", MRR@10 " << ours.mrr << '\n';
  EXPECT_NEAR(ours.ndcg, expected.ndcg, 5e-5);
  EXPECT_NEAR(ours.mrr, expected.mrr, 5e-5);
  EXPECT_GE(ours.ndcg, GetParam().least);
  EXPECT_LE(ours.ndcg, GetParam().most);
}

// Published: NFCorpus .3218 on its full, raw text. Others: the plain tokenizer of their README less a little.
INSTANTIATE_TEST_SUITE_P(Sets, LexicalQuality,
                         testing::Values(Expectation{"nfcorpus", 0.3066, 0.34}, Expectation{"cranfield", 0.4659, 0.55},
                                         Expectation{"vaswani", 0.40, 0.52}, Expectation{"squad-dev", 0.8589, 0.95},
                                         Expectation{"cmrc2018", 0.9815, 1}, Expectation{"xquad-en", 0.9, 1},
                                         Expectation{"xquad-zh", 0.95, 1}),
                         [](const testing::TestParamInfo<Expectation>& given) {
                           std::string name = given.param.set;
                           std::erase(name, '-');
                           return name;
                         });

// Cuts a text at everything that is not a letter or digit; Chinese runs go to `chinese`, others are folded words.
Terms plain_terms(std::string_view utf8, const std::function<void(std::string_view, Terms&)>& chinese) {
  Terms terms;
  const std::string text = text::fold(utf8);
  std::string word;
  std::string run;
  const auto flush = [&] {
    if (!word.empty()) terms.push_back(std::move(word));
    if (!run.empty()) chinese(run, terms);
    word.clear();
    run.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = text::next_code_point(text, at);
    const bool is_word = (c < 0x80 && std::isalnum(static_cast<int>(c)) != 0);
    if (text::is_cjk(c) ? !word.empty() : !run.empty()) flush();
    if (text::is_cjk(c))
      run += text.substr(begin, at - begin);
    else if (is_word)
      word += static_cast<char>(c);
    else
      flush();
  }
  flush();
  return terms;
}

void characters(std::string_view run, Terms& terms) {
  for (std::size_t at = 0; at < run.size();) {
    const std::size_t begin = at;
    text::next_code_point(run, at);
    terms.emplace_back(run.substr(begin, at - begin));
  }
}

void bigrams(std::string_view run, Terms& terms) {
  Terms single;
  characters(run, single);
  if (single.size() == 1) terms.push_back(single[0]);
  for (std::size_t i = 0; i + 1 < single.size(); ++i) terms.push_back(single[i] + single[i + 1]);
}

class ChineseQuality : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(ChineseQuality, IsAtLeastThatOfCharactersAndOfBigrams) {
  Set set;
  for (const std::string& name : GetParam()) {
    if (!read_set(name, set)) GTEST_SKIP() << "no " << name << " in " << data_directory();
  }
  const Variant single{.analysis = [](std::string_view text) { return plain_terms(text, characters); }};
  const Variant pairs{.analysis = [](std::string_view text) { return plain_terms(text, bigrams); }};
  const Quality ours = index_quality(set);
  const Quality of_characters = index_quality(set, single);
  const Quality of_bigrams = index_quality(set, pairs);
  std::cout << "MRR@10 " << ours.mrr << ", characters " << of_characters.mrr << ", bigrams " << of_bigrams.mrr << '\n';
  EXPECT_GE(ours.mrr, of_characters.mrr);
  EXPECT_GE(ours.mrr, of_bigrams.mrr);
}

INSTANTIATE_TEST_SUITE_P(Sets, ChineseQuality,
                         testing::Values(std::vector<std::string>{"cmrc2018"}, std::vector<std::string>{"xquad-zh"},
                                         std::vector<std::string>{"cmrc2018", "xquad-zh"}));

class HeadingWeight : public testing::TestWithParam<const char*> {};

TEST_P(HeadingWeight, TheDefaultIsBetterThanNone) {
  Set set;
  if (!read_set(GetParam(), set)) GTEST_SKIP() << "no " << GetParam() << " in " << data_directory();
  std::cout << GetParam() << ": nDCG@10";
  for (const float weight : {0.5f, 1.0f, 1.5f, 2.0f, 3.0f}) {
    std::cout << ", weight " << weight << ' ' << index_quality(set, {.options = {.heading_weight = weight}}).ndcg;
  }
  std::cout << '\n';
  EXPECT_GT(index_quality(set).ndcg, index_quality(set, {.options = {.heading_weight = 1}}).ndcg);
}

INSTANTIATE_TEST_SUITE_P(Sets, HeadingWeight, testing::Values("cranfield", "squad-dev", "cmrc2018"));

}  // namespace
}  // namespace ragtime::index
