#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/backend_command.h"
#include "server/exit_code.h"
#include "server/json_text.h"

namespace ragtime::server {
namespace {

namespace json = boost::json;

std::string place(const rag::Citation& citation) {
  std::string out;
  if (citation.page > 0) out += fmt::format(", page {}", citation.page);
  if (!citation.heading_path.empty()) out += ", " + citation.heading_path;
  return out;
}

void print_citations(const rag::Answer& answer, Terminal& terminal) {
  int number = 0;
  for (const auto& citation : answer.citations) {
    const std::string label = fmt::format("[{}]", ++number);
    terminal.line(fmt::format("{} {}{}{}", terminal.styled(Style::cyan, label),
                              terminal.styled(Style::bold, citation.filename), place(citation),
                              citation.verified ? "" : terminal.styled(Style::yellow, " (not verified)")));
    const std::string indent(label.size() + 1, ' ');
    for (const auto& line :
         wrap_columns(citation.quote, std::max<std::size_t>(terminal.columns(), 40) - indent.size())) {
      terminal.line(indent + terminal.styled(Style::dim, line));
    }
  }
}

std::string describe_timings(RequestContext& context) {
  std::vector<std::string> parts;
  for (const auto& stage : context.timings().snapshot()) {
    parts.push_back(fmt::format("{} {:.1f} ms", stage.name, stage.milliseconds));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

json::object citation_object(const rag::Citation& citation) {
  json::object out{{"index", citation.index},
                   {"file_id", citation.file_id},
                   {"filename", citation.filename},
                   {"page", nullptr},
                   {"heading_path", citation.heading_path},
                   {"start", citation.begin},
                   {"end", citation.end},
                   {"quote", citation.quote},
                   {"verified", citation.verified}};
  if (citation.page > 0) out["page"] = citation.page;
  return out;
}

json::object answer_object(const std::string& question, const rag::Answer& answer, RequestContext& context) {
  json::object out{{"question", question}, {"text", answer.text}, {"model", answer.model}};
  json::array citations;
  for (const auto& citation : answer.citations) citations.push_back(citation_object(citation));
  out["citations"] = std::move(citations);
  json::object timings;
  for (const auto& stage : context.timings().snapshot()) timings[stage.name] = stage.milliseconds;
  out["timings"] = std::move(timings);
  out["degraded"] = json::array(answer.degraded.begin(), answer.degraded.end());
  return out;
}

void print_answer(const rag::Answer& answer, bool ends_with_newline, RequestContext& context, Invocation& invocation) {
  if (!ends_with_newline) invocation.out.line();
  invocation.out.line();
  print_citations(answer, invocation.out);
  if (!answer.citations.empty()) invocation.out.line();
  for (const auto& item : answer.degraded) {
    invocation.err.line(invocation.err.styled(Style::yellow, "degraded: " + item));
  }
  invocation.out.line(
      invocation.out.styled(Style::dim, fmt::format("{}: {}", answer.model, describe_timings(context))));
}

Task<int> ask(Backend& backend, RequestContext& context, Question question, Invocation& invocation) {
  char last = '\n';
  TextSink sink;
  if (!invocation.json) {
    sink = [&invocation, &last](std::string_view delta) {
      if (!delta.empty()) last = delta.back();
      invocation.out.write(delta);
    };
  }
  StageTimer total(context, "total");
  const std::string text = question.text;
  auto asked = backend.ask(std::move(question), sink, context);
  auto answer = co_await std::move(asked);
  if (answer.has_error()) {
    if (last != '\n') invocation.out.line();
    co_return report_failure(invocation, answer.error());
  }
  // A server reports its own total.
  bool counted = false;
  for (const auto& stage : context.timings().snapshot()) counted = counted || stage.name == "total";
  if (!counted) total.stop();
  if (invocation.json) {
    invocation.out.line(pretty_json(answer_object(text, *answer, context)));
  } else {
    print_answer(*answer, last == '\n', context, invocation);
  }
  co_return kExitDone;
}

}  // namespace

int ask_command(const AskOptions& options, Invocation& invocation) {
  Question question{read_question(options.words), options.store, options.model};
  if (question.text.empty()) return fail(invocation, "the question is empty", kExitUsage);
  return run_on_backend(
      [&](Backend& backend, RequestContext& context) { return ask(backend, context, question, invocation); },
      invocation);
}

}  // namespace ragtime::server
