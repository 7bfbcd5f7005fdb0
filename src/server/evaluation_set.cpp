#include "server/evaluation_set.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <random>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "server/line_file.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Places = std::unordered_map<std::string, std::size_t>;  // By id.

constexpr const char* kLayout =
    "a set is a folder with corpus.jsonl, queries.jsonl and qrels.tsv (or qrels/test.tsv), each also as .gz";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Error invalid(const LineFile& file, const std::string& message) {
  return file.error_here(ErrorCode::invalid_argument, message);
}

// The first of `names` that is there, as it is or compressed.
Result<LineFile> open_one_of(const fs::path& folder, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    for (const char* ending : {"", ".gz"}) {
      const fs::path file = folder / (name + ending);
      std::error_code ignored;
      if (fs::exists(file, ignored)) return LineFile::open(file);
    }
  }
  return make_error(ErrorCode::not_found,
                    fmt::format("{}: there is no {}; {}", folder.string(), names.front(), kLayout));
}

Result<json::object> parse_line(const LineFile& file, const std::string& line) {
  json::error_code failure;
  json::value parsed = json::parse(line, failure);
  if (failure) return invalid(file, "is not JSON (" + failure.message() + "); every line is one JSON object");
  if (!parsed.is_object()) return invalid(file, "is not a JSON object");
  return std::move(parsed.as_object());
}

// "" when the key is missing and `required` is false.
Result<std::string> text_of(const LineFile& file, const json::object& object, std::string_view key, bool required) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) {
    if (!required) return std::string();
    return invalid(file, fmt::format("lacks \"{}\"", key));
  }
  if (!value->is_string()) return invalid(file, fmt::format("\"{}\" must be a string", key));
  return std::string(value->get_string());
}

Result<void> note_place(const LineFile& file, const std::string& id, std::size_t place, Places& places) {
  if (id.empty()) return invalid(file, "\"_id\" is empty");
  if (places.emplace(id, place).second) return {};
  return invalid(file, fmt::format("the _id \"{}\" was there before; ids must be different", id));
}

// Calls `take` for every line that is not blank.
template <class Take>
Result<void> for_each_line(LineFile& file, Take take) {
  std::string line;
  while (true) {
    RAGTIME_TRY(const bool more, file.next(line));
    if (!more) return {};
    if (!is_blank(line)) RAGTIME_TRY_DONE(take(line));
  }
}

Result<Places> read_corpus(const fs::path& folder, EvaluationSet& set) {
  RAGTIME_TRY(auto file, open_one_of(folder, {"corpus.jsonl"}));
  Places places;
  const auto take = [&](const std::string& line) -> Result<void> {
    RAGTIME_TRY(const auto object, parse_line(file, line));
    EvaluationDocument document;
    RAGTIME_TRY(document.id, text_of(file, object, "_id", true));
    RAGTIME_TRY(document.title, text_of(file, object, "title", false));
    RAGTIME_TRY(document.text, text_of(file, object, "text", true));
    RAGTIME_TRY_DONE(note_place(file, document.id, set.documents.size(), places));
    set.documents.push_back(std::move(document));
    return {};
  };
  RAGTIME_TRY_DONE(for_each_line(file, take));
  return places;
}

Result<Places> read_queries(const fs::path& folder, EvaluationSet& set) {
  RAGTIME_TRY(auto file, open_one_of(folder, {"queries.jsonl"}));
  Places places;
  const auto take = [&](const std::string& line) -> Result<void> {
    RAGTIME_TRY(const auto object, parse_line(file, line));
    EvaluationQuery query;
    RAGTIME_TRY(query.id, text_of(file, object, "_id", true));
    RAGTIME_TRY(query.text, text_of(file, object, "text", true));
    if (is_blank(query.text)) return invalid(file, "\"text\" is empty; a question needs words");
    RAGTIME_TRY_DONE(note_place(file, query.id, set.queries.size(), places));
    set.queries.push_back(std::move(query));
    return {};
  };
  RAGTIME_TRY_DONE(for_each_line(file, take));
  return places;
}

std::vector<std::string> split_tabs(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == '\t') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

std::optional<int> grade_of(const std::string& cell) {
  int grade = 0;
  const auto [end, failure] = std::from_chars(cell.data(), cell.data() + cell.size(), grade);
  if (failure != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return grade;
}

Result<void> take_judgement(const LineFile& file, const std::vector<std::string>& cells, const Places& documents,
                            const Places& queries, EvaluationSet& set) {
  const auto grade = grade_of(cells[2]);
  if (!grade) {
    return invalid(file, fmt::format("the grade \"{}\" is not a whole number; write 1 for relevant, more for more "
                                     "relevant, 0 for not relevant",
                                     cells[2]));
  }
  const auto query = queries.find(cells[0]);
  if (query == queries.end()) {
    return invalid(
        file, fmt::format("there is no question \"{}\" in queries.jsonl; add it there or remove this line", cells[0]));
  }
  const auto document = documents.find(cells[1]);
  if (document == documents.end()) {
    return invalid(
        file, fmt::format("there is no document \"{}\" in corpus.jsonl; add it there or remove this line", cells[1]));
  }
  const auto number = static_cast<engine::DocumentNumber>(document->second);
  set.queries[query->second].grades.insert_or_assign(number, *grade);
  return {};
}

Result<void> read_judgements(const fs::path& folder, const Places& documents, const Places& queries,
                             EvaluationSet& set) {
  RAGTIME_TRY(auto file, open_one_of(folder, {"qrels.tsv", "qrels/test.tsv"}));
  bool first = true;
  return for_each_line(file, [&](const std::string& line) -> Result<void> {
    const auto cells = split_tabs(line);
    if (cells.size() != 3) {
      return invalid(file, fmt::format("has {} column{}, not 3; write question id, document id and grade with tabs "
                                       "between them",
                                       cells.size(), cells.size() == 1 ? "" : "s"));
    }
    const bool header = std::exchange(first, false) && !grade_of(cells[2]) && !queries.contains(cells[0]);
    return header ? Result<void>() : take_judgement(file, cells, documents, queries, set);
  });
}

std::string folder_name(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return whole.has_filename() ? whole.filename().string() : whole.parent_path().filename().string();
}

}  // namespace

Result<EvaluationSet> read_evaluation_set(const fs::path& folder) {
  std::error_code failure;
  if (!fs::is_directory(folder, failure)) {
    return make_error(ErrorCode::not_found, fmt::format("{} is not a folder; {}", folder.string(), kLayout));
  }
  EvaluationSet set;
  set.name = folder_name(folder);
  RAGTIME_TRY(const auto documents, read_corpus(folder, set));
  RAGTIME_TRY(const auto queries, read_queries(folder, set));
  RAGTIME_TRY_DONE(read_judgements(folder, documents, queries, set));
  const auto unjudged = [](const EvaluationQuery& query) { return engine::count_relevant(query.grades) == 0; };
  set.queries_unjudged = std::erase_if(set.queries, unjudged);
  if (!set.queries.empty()) return set;
  return make_error(ErrorCode::invalid_argument,
                    fmt::format("{}: no question has a relevant document; the qrels need lines with a grade of 1 or "
                                "more",
                                folder.string()));
}

void sample_queries(EvaluationSet& set, std::size_t count, std::uint64_t seed) {
  if (count >= set.queries.size()) return;
  std::vector<std::size_t> places(set.queries.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::mt19937_64 random(seed);
  std::shuffle(places.begin(), places.end(), random);
  places.resize(count);
  std::sort(places.begin(), places.end());
  std::vector<EvaluationQuery> chosen;
  for (const std::size_t place : places) chosen.push_back(std::move(set.queries[place]));
  set.queries = std::move(chosen);
}

}  // namespace ragtime::server
