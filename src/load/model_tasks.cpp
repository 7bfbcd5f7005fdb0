#include "load/model_tasks.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

namespace ragtime::load {
namespace {

namespace json = boost::json;

std::vector<float> vector_of(std::string_view text, std::size_t dimensions) {
  std::uint64_t state = 1469598103934665603ull;
  for (const unsigned char byte : text) state = (state ^ byte) * 1099511628211ull;
  std::vector<float> out(dimensions);
  double squares = 0;
  for (auto& value : out) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    value = float(double(state >> 11) / double(1ull << 53) - 0.5);
    squares += double(value) * double(value);
  }
  const double norm = std::sqrt(std::max(squares, 1e-12));
  for (auto& value : out) value = float(double(value) / norm);
  return out;
}

std::string base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) word = (word << 8) | (k < left ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[(word >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

// The texts of "input"; token arrays count by their JSON.
std::vector<std::string> inputs_of(const json::object& request) {
  const auto* input = request.if_contains("input");
  if (input == nullptr) return {};
  if (const auto* text = input->if_string()) return {std::string(*text)};
  std::vector<std::string> out;
  const auto* list = input->if_array();
  if (list == nullptr || list->empty()) return {};
  if (list->front().is_number()) return {json::serialize(*list)};
  for (const auto& item : *list) {
    out.push_back(item.is_string() ? std::string(item.get_string()) : json::serialize(item));
  }
  return out;
}

std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> out;
  std::string word;
  for (const char c : std::string(text) + ' ') {
    if (c != ' ' && !std::ispunct(static_cast<unsigned char>(c))) {
      word += char(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      out.insert(std::exchange(word, {}));
    }
  }
  return out;
}

std::string_view document_text(const json::value& document) {
  if (const auto* text = document.if_string()) return *text;
  const auto* object = document.if_object();
  const auto* text = object != nullptr ? object->if_contains("text") : nullptr;
  return text != nullptr && text->is_string() ? std::string_view(text->get_string()) : std::string_view();
}

std::string model_of(const json::object& request) {
  const auto* model = request.if_contains("model");
  return json::serialize(json::value(model != nullptr && model->is_string() ? std::string_view(model->get_string())
                                                                            : std::string_view("scripted")));
}

}  // namespace

std::string embeddings_body(const json::object& request, std::size_t dimensions_default) {
  const auto texts = inputs_of(request);
  if (texts.empty()) return {};
  std::size_t dimensions = dimensions_default;
  if (const auto* wanted = request.if_contains("dimensions"); wanted != nullptr && wanted->is_int64()) {
    dimensions = static_cast<std::size_t>(std::clamp<std::int64_t>(wanted->get_int64(), 1, 8192));
  }
  const auto* format = request.if_contains("encoding_format");
  const bool as_base64 = format != nullptr && format->is_string() && format->get_string() == "base64";
  std::string data;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto vector = vector_of(texts[i], dimensions);
    tokens += texts[i].size() / 4 + 1;
    data += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", i > 0 ? "," : "", i);
    if (as_base64) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(vector.data());
      data += '"' + base64({bytes, vector.size() * sizeof(float)}) + "\"}";
    } else {
      data += fmt::format("[{}]}}", fmt::join(vector, ","));
    }
  }
  return fmt::format(R"({{"object":"list","data":[{}],"model":{},"usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                     data, model_of(request), tokens, tokens);
}

std::string rerank_body(const json::object& request) {
  const auto* query = request.if_contains("query");
  const auto* documents = request.if_contains("documents");
  if (query == nullptr || !query->is_string() || documents == nullptr || !documents->is_array()) return {};
  const auto wanted = words_of(query->get_string());
  std::vector<std::pair<double, std::size_t>> scores;
  for (const auto& document : documents->get_array()) {
    const auto words = words_of(document_text(document));
    const auto shared = std::count_if(wanted.begin(), wanted.end(), [&](const auto& w) { return words.contains(w); });
    scores.emplace_back(wanted.empty() ? 0 : double(shared) / double(wanted.size()), scores.size());
  }
  std::stable_sort(scores.begin(), scores.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  if (const auto* top = request.if_contains("top_n"); top != nullptr && top->is_int64() && top->get_int64() >= 0) {
    scores.resize(std::min<std::size_t>(scores.size(), static_cast<std::size_t>(top->get_int64())));
  }
  std::string results;
  for (const auto& [score, index] : scores) {
    results += fmt::format(R"({}{{"index":{},"relevance_score":{}}})", results.empty() ? "" : ",", index, score);
  }
  return fmt::format(R"({{"id":"rerank-scripted","model":{},"usage":{{"total_tokens":{}}},"results":[{}]}})",
                     model_of(request), documents->get_array().size() * 8, results);
}

std::string models_body(std::span<const std::string> models) {
  json::array data;
  for (const auto& model : models) {
    data.push_back(json::object{{"id", model},
                                {"object", "model"},
                                {"created", 1'700'000'000},
                                {"owned_by", "vllm"},
                                {"max_model_len", 131072}});
  }
  return json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}});
}

}  // namespace ragtime::load
