#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "http/url.h"
#include "server/bench_command.h"

namespace ragtime::server {
namespace {

constexpr std::size_t kPromptBytesMax = 32u << 20;  // Of all synthetic prompts together.

Error wrong(std::string what) {
  return make_error(ErrorCode::invalid_argument, std::move(what));
}

Result<double> positive_number(std::string_view text, std::string_view what) {
  double out = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && stop == text.data() + text.size() && out > 0) return out;
  return wrong(fmt::format("{}: '{}' is no number above 0", what, text));
}

std::string item_of(const std::vector<std::string>& values, std::size_t i) {
  if (values.empty()) return {};
  return values[std::min(i, values.size() - 1)];
}

Result<std::string> checked_url(const std::string& text) {
  const std::string url = text.find("://") == std::string::npos ? "http://" + text : text;
  const auto parsed = http::parse_url(url);
  if (parsed.has_error()) return wrong(fmt::format("'{}' is no URL: {}", text, parsed.error().message));
  // OpenAI's base addresses end in /v1; a bare host means that one.
  return parsed->target == "/" && !url.ends_with("/") ? url + "/v1" : url;
}

Result<void> check_counts(const BenchOptions& options, std::size_t urls) {
  if (options.models.size() > 1 && options.models.size() != urls) {
    return wrong(fmt::format("{} --model for {} URLs: give one for all, or one for each", options.models.size(), urls));
  }
  if (!options.names.empty() && options.names.size() != urls) {
    return wrong(fmt::format("{} --name for {} URLs: give one for each", options.names.size(), urls));
  }
  if (options.keys.size() > 1 && options.keys.size() != urls) {
    return wrong(fmt::format("{} --api-key for {} URLs: give one for all, or one for each", options.keys.size(), urls));
  }
  if (options.rate > 0 && options.concurrency_given) {
    return wrong("--rate sends whatever happens, --concurrency waits for answers: choose one");
  }
  return {};
}

Result<std::vector<load::LoadTarget>> targets_of(const BenchOptions& options, const std::vector<std::string>& urls) {
  std::vector<load::LoadTarget> out;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    load::LoadTarget target;
    RAGTIME_TRY(target.url, checked_url(urls[i]));
    target.model = options.models.empty() ? "default" : item_of(options.models, i);
    target.name = options.names.empty() ? urls[i] : options.names[i];
    target.api_key = item_of(options.keys, i);
    for (const auto& header : options.headers) {
      const auto colon = header.find(':');
      if (colon == std::string::npos || colon == 0) return wrong("--header: '" + header + "' is not NAME: VALUE");
      const auto value = header.find_first_not_of(' ', colon + 1);
      target.headers.emplace_back(header.substr(0, colon), value == std::string::npos ? "" : header.substr(value));
    }
    out.push_back(std::move(target));
  }
  return out;
}

Result<load::LoadOperation> operation_of(const std::string& name) {
  using load::LoadOperation;
  if (name == "chat") return LoadOperation::chat;
  if (name == "completions") return LoadOperation::completions;
  if (name == "embeddings") return LoadOperation::embeddings;
  if (name == "rerank") return LoadOperation::rerank;
  if (name == "search") return LoadOperation::search;
  return wrong("--operation: '" + name + "' is none of chat, completions, embeddings, rerank, search");
}

Result<std::string> extra_members(const std::string& text) {
  if (text.empty()) return std::string();
  boost::system::error_code error;
  const auto value = boost::json::parse(text, error);
  if (error || !value.is_object()) return wrong("--extra is no JSON object, for example '{\"temperature\":0}'");
  const std::string whole = boost::json::serialize(value);
  return whole.substr(1, whole.size() - 2);
}

Result<std::optional<std::string>> read_reference(const std::string& file) {
  if (file.empty()) return std::optional<std::string>();
  std::ifstream in(file, std::ios::binary);
  if (!in) return wrong(file + ": cannot be read");
  return std::optional<std::string>(std::string(std::istreambuf_iterator<char>(in), {}));
}

}  // namespace

Result<load::Slo> parse_slo(const std::string& text) {
  load::Slo out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    const auto equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    auto* slot = key == "ttft" ? &out.ttft_ms : key == "tpot" ? &out.tpot_ms : key == "e2e" ? &out.e2e_ms : nullptr;
    if (slot == nullptr || equals == std::string_view::npos) {
      return wrong(fmt::format("--slo: '{}' is not of the form ttft=MS, tpot=MS or e2e=MS", item));
    }
    RAGTIME_TRY(*slot, positive_number(item.substr(equals + 1), "--slo"));
  }
  return out;
}

Result<BenchPlan> plan_bench(const BenchOptions& options, const std::vector<std::string>& urls) {
  if (urls.empty()) return wrong("nothing to send load to: give one or more base URLs, as http://127.0.0.1:8000/v1");
  RAGTIME_TRY_DONE(check_counts(options, urls.size()));
  BenchPlan out;
  RAGTIME_TRY(out.targets, targets_of(options, urls));
  auto& config = out.config;
  RAGTIME_TRY(config.operation, operation_of(options.operation));
  const bool generates =
      config.operation == load::LoadOperation::chat || config.operation == load::LoadOperation::completions;
  config.stream = generates && !options.whole;
  config.include_usage = !options.no_usage;
  config.answer_tokens = options.answer_tokens;
  RAGTIME_TRY(config.extra_json, extra_members(options.extra));
  config.store = options.store;
  if (config.operation == load::LoadOperation::search && options.store.empty()) {
    return wrong("--operation search needs --store with the id of a vector store");
  }
  config.concurrency = options.concurrency;
  config.rate = options.rate;
  config.poisson = !options.constant;
  config.requests = options.requests;
  config.duration = std::chrono::milliseconds(static_cast<std::int64_t>(options.duration * 1000));
  config.warm_up = std::chrono::milliseconds(static_cast<std::int64_t>(options.warm_up * 1000));
  config.ramp = std::chrono::milliseconds(static_cast<std::int64_t>(options.ramp * 1000));
  config.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(options.timeout * 1000));
  config.seed = options.seed;
  config.fresh_connections = options.fresh_connections;
  RAGTIME_TRY(config.slo, parse_slo(options.slo));
  RAGTIME_TRY(config.reference, read_reference(options.reference));
  out.prompts.file = options.prompts;
  out.prompts.tokens = options.prompt_tokens;
  out.prompts.shared_tokens = options.shared_prefix;
  out.prompts.seed = options.seed;
  out.prompts.count = std::clamp<std::size_t>(kPromptBytesMax / (options.prompt_tokens * 4 + 64), 1, 256);
  return out;
}

}  // namespace ragtime::server
