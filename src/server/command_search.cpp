#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "server/backend_command.h"
#include "server/exit_code.h"
#include "server/highlight.h"
#include "server/json_text.h"

namespace ragtime::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kSnippetChars = 240;

json::object hit_object(const engine::SearchHit& hit) {
  json::object out{{"score", hit.score},
                   {"file_id", hit.file_id},
                   {"filename", hit.filename},
                   {"page", nullptr},
                   {"heading_path", hit.chunk.heading_path},
                   {"start", hit.chunk.begin},
                   {"end", hit.chunk.end},
                   {"text", hit.chunk.text}};
  if (hit.chunk.page_first > 0) out["page"] = hit.chunk.page_first;
  out["scores"] = json::object{{"dense", hit.dense_score}, {"lexical", hit.lexical_score}};
  return out;
}

void print_json(const std::string& query, const engine::SearchResults& results, RequestContext& context,
                Terminal& terminal) {
  json::object out{{"query", query}};
  json::array hits;
  for (const auto& hit : results.hits) hits.push_back(hit_object(hit));
  out["hits"] = std::move(hits);
  json::object timings;
  for (const auto& stage : context.timings().snapshot()) timings[stage.name] = stage.milliseconds;
  out["timings"] = std::move(timings);
  terminal.line(pretty_json(out));
}

void print_hit(std::size_t rank, const engine::SearchHit& hit, const std::string& query, Terminal& terminal) {
  std::string place;
  if (hit.chunk.page_first > 0) place += fmt::format(", page {}", hit.chunk.page_first);
  if (!hit.chunk.heading_path.empty()) place += ", " + hit.chunk.heading_path;
  terminal.line(fmt::format("{:>2}. {}  {}{}", rank, terminal.styled(Style::cyan, fmt::format("{:.2f}", hit.score)),
                            terminal.styled(Style::bold, hit.filename), place));
  const auto mark = [&](std::string_view term) { return terminal.styled(Style::yellow, term); };
  const std::string snippet = make_snippet(hit.chunk.text, query, kSnippetChars, mark);
  for (const auto& line : wrap_columns(snippet, std::max<std::size_t>(terminal.columns(), 40) - 4)) {
    terminal.line("    " + line);
  }
}

Task<int> search(Backend& backend, RequestContext& context, SearchQuestion question, Invocation& invocation) {
  const std::string query = question.text;
  auto asked = backend.search(std::move(question), context);
  auto results = co_await std::move(asked);
  if (results.has_error()) co_return report_failure(invocation, results.error());
  if (invocation.json) {
    print_json(query, *results, context, invocation.out);
    co_return kExitDone;
  }
  if (results->hits.empty()) invocation.err.line("nothing found");
  for (std::size_t i = 0; i < results->hits.size(); ++i) print_hit(i + 1, results->hits[i], query, invocation.out);
  co_return kExitDone;
}

}  // namespace

int search_command(const SearchOptions& options, Invocation& invocation) {
  SearchQuestion question;
  question.text = read_question(options.words);
  question.store = options.store;
  question.results = options.results > 0
                         ? static_cast<std::size_t>(options.results)
                         : static_cast<std::size_t>(invocation.configuration.settings.retrieval.results);
  if (question.text.empty()) return fail(invocation, "the query is empty", kExitUsage);
  return run_on_backend(
      [&](Backend& backend, RequestContext& context) { return search(backend, context, question, invocation); },
      invocation);
}

}  // namespace ragtime::server
