#include "llm/engine_metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ragtime::llm {
namespace {

struct Line {
  std::string_view name;
  std::string_view labels;  // Between the braces.
  double value = 0;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

// The end of the labels; a quoted value may hold a brace.
std::size_t labels_end(std::string_view text, std::size_t at) {
  bool quoted = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\' && quoted) {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == '}' && !quoted) {
      return at;
    }
  }
  return std::string_view::npos;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  // A gauge of ours is a count or a share.
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::optional<Line> parse_line(std::string_view text) {
  text = trimmed(text);
  if (text.empty() || text.front() == '#') return std::nullopt;
  Line line;
  const std::size_t name_end = text.find_first_of("{ \t");
  if (name_end == std::string_view::npos) return std::nullopt;
  line.name = text.substr(0, name_end);
  std::size_t rest = name_end;
  if (text[name_end] == '{') {
    const std::size_t end = labels_end(text, name_end + 1);
    if (end == std::string_view::npos) return std::nullopt;
    line.labels = text.substr(name_end + 1, end - name_end - 1);
    rest = end + 1;
  }
  const std::string_view value_and_time = trimmed(text.substr(rest));
  const auto value = number(value_and_time.substr(0, value_and_time.find_first_of(" \t")));
  if (!value) return std::nullopt;
  line.value = *value;
  return line;
}

bool has_label(std::string_view labels, std::string_view pair) {
  for (std::size_t at = labels.find(pair); at != std::string_view::npos; at = labels.find(pair, at + 1)) {
    const char before = at == 0 ? ',' : labels[at - 1];
    if (before == ',' || before == ' ') return true;
  }
  return false;
}

void sum(std::optional<double>& total, double value) {
  total = total.value_or(0) + value;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

EngineSample parse_engine_metrics(std::string_view text) {
  EngineSample out;
  std::optional<double> lacks_capacity;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = parse_line(text.substr(begin, end - begin));
    begin = end + 1;
    if (!line) continue;
    const std::string_view name = line->name;
    if (is_one_of(name, {"vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"})) {
      sum(out.running, line->value);
    } else if (is_one_of(name, {"vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred"})) {
      sum(out.waiting, line->value);
    } else if (name == "vllm:num_requests_waiting_by_reason" && has_label(line->labels, "reason=\"capacity\"")) {
      sum(lacks_capacity, line->value);
    } else if (is_one_of(name, {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage",
                                "llamacpp:kv_cache_usage_ratio"})) {
      if (line->value <= 1) out.cache_use = std::max(out.cache_use.value_or(0), line->value);
    }
  }
  if (lacks_capacity) out.waiting = lacks_capacity;
  return out;
}

}  // namespace ragtime::llm
