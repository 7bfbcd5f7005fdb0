#include "load/prompts.h"

#include <array>
#include <fstream>
#include <random>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace ragtime::load {
namespace {

namespace json = boost::json;

constexpr std::size_t kTokenBytes = 4;
constexpr std::size_t kRerankDocuments = 10;
constexpr std::array<std::string_view, 32> kWords = {
    "engine", "idle",  "speed", "valve",  "the",   "of",    "pressure", "oil",     "check", "every", "hour",
    "manual", "page",  "see",   "before", "start", "after", "stop",     "filter",  "water", "pump",  "belt",
    "torque", "metre", "为",    "检查",   "转速",  "水泵",  "每小时",   "请参阅", "手册",  "停机"};

std::string quoted(std::string_view text) {
  return json::serialize(json::value(text));
}

std::string words(std::size_t bytes, std::mt19937_64& random) {
  std::string out;
  while (out.size() < bytes) {
    if (!out.empty()) out += ' ';
    out += kWords[random() % kWords.size()];
  }
  return out;
}

Error bad_line(const std::string& file, std::size_t line, std::string_view what) {
  return make_error(ErrorCode::invalid_argument, fmt::format("{}:{}: {}", file, line, what));
}

std::string with_extra(const LoadConfig& config) {
  return config.extra_json.empty() ? std::string() : "," + config.extra_json;
}

std::string generation_members(const LoadConfig& config) {
  std::string out = fmt::format(R"(,"stream":{})", config.stream);
  if (config.stream && config.include_usage) out += R"(,"stream_options":{"include_usage":true})";
  if (config.answer_tokens > 0) out += fmt::format(R"(,"max_tokens":{})", config.answer_tokens);
  return out + with_extra(config) + "}";
}

}  // namespace

void Prompts::add(const std::string& prompt) {
  messages_json_.push_back(R"([{"role":"user","content":)" + quoted(prompt) + "}]");
  texts_.push_back(prompt);
}

Result<Prompts> Prompts::load(const PromptConfig& config) {
  Prompts out;
  if (config.file.empty()) {
    std::mt19937_64 random(config.seed);
    const std::string shared = words(config.shared_tokens * kTokenBytes, random);
    const std::size_t own = config.tokens - std::min(config.tokens, config.shared_tokens);
    for (std::size_t i = 0; i < std::max<std::size_t>(1, config.count); ++i) {
      out.add(shared + words(std::max<std::size_t>(own * kTokenBytes, 8), random));
    }
    return out;
  }
  std::ifstream in(config.file);
  if (!in) return make_error(ErrorCode::invalid_argument, config.file + ": cannot be read");
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    if (line.front() != '{') {
      out.add(line);
      continue;
    }
    boost::system::error_code error;
    const auto value = json::parse(line, error);
    if (error || !value.is_object()) return bad_line(config.file, number, "not a JSON object");
    const auto& object = value.get_object();
    const auto* prompt = object.if_contains("prompt");
    const auto* messages = object.if_contains("messages");
    if (prompt != nullptr && prompt->is_string()) {
      out.add(std::string(prompt->get_string()));
    } else if (messages != nullptr && messages->is_array() && !messages->get_array().empty()) {
      out.messages_json_.push_back(json::serialize(*messages));
      out.texts_.push_back(json::serialize(*messages));
    } else {
      return bad_line(config.file, number, "has neither a \"prompt\" nor \"messages\"");
    }
  }
  if (out.size() == 0) return make_error(ErrorCode::invalid_argument, config.file + ": holds no prompt");
  return out;
}

std::vector<std::string> Prompts::bodies(const LoadConfig& config, const std::string& model) const {
  std::vector<std::string> out;
  const std::string name = quoted(model);
  for (std::size_t i = 0; i < size(); ++i) {
    switch (config.operation) {
      case LoadOperation::chat:
        out.push_back(fmt::format(R"({{"model":{},"messages":{}{})", name, messages_json_[i], generation_members(config)));
        break;
      case LoadOperation::completions:
        out.push_back(fmt::format(R"({{"model":{},"prompt":{}{})", name, quoted(texts_[i]), generation_members(config)));
        break;
      case LoadOperation::embeddings:
        out.push_back(fmt::format(R"({{"model":{},"input":{}{}}})", name, quoted(texts_[i]), with_extra(config)));
        break;
      case LoadOperation::search:
        out.push_back(fmt::format(R"({{"query":{}{}}})", quoted(texts_[i]), with_extra(config)));
        break;
      case LoadOperation::rerank: {
        std::string documents;
        for (std::size_t k = 0; k < kRerankDocuments; ++k) {
          documents += (k > 0 ? "," : "") + quoted(texts_[(i + k) % size()]);
        }
        out.push_back(fmt::format(R"({{"model":{},"query":{},"documents":[{}]{}}})", name, quoted(texts_[i]), documents,
                                  with_extra(config)));
        break;
      }
    }
  }
  return out;
}

}  // namespace ragtime::load
