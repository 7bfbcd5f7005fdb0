#include "llm/remote_reranker.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "text/chunker.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;

const json::value* child(const json::value* value, std::string_view key) {
  const json::object* object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

// Jina and Cohere say "results", some gateways "data", TEI sends the bare array.
const json::array* results_of(const json::value& answer) {
  if (answer.is_array()) return &answer.get_array();
  for (const char* key : {"results", "data"}) {
    const json::value* results = child(&answer, key);
    if (results != nullptr && results->is_array()) return &results->get_array();
  }
  return nullptr;
}

std::optional<float> score_of(const json::value& item) {
  for (const char* key : {"relevance_score", "score"}) {
    const json::value* score = child(&item, key);
    if (score == nullptr || !score->is_number()) continue;
    const auto number = static_cast<float>(score->to_number<double>());
    if (std::isfinite(number)) return number;
  }
  return std::nullopt;
}

std::size_t tokens_of(const json::value& answer) {
  const json::value* usage = child(&answer, "usage");
  const json::value* counted = child(child(&answer, "meta"), "tokens");
  for (const json::value* tokens :
       {child(usage, "total_tokens"), child(usage, "prompt_tokens"), child(counted, "input_tokens")}) {
    if (tokens != nullptr && tokens->is_int64() && tokens->get_int64() > 0) {
      return static_cast<std::size_t>(tokens->get_int64());
    }
  }
  return 0;
}

float logit(float probability) {
  constexpr float kEdge = 1e-7f;
  const float p = std::clamp(probability, kEdge, 1 - kEdge);
  return std::log(p / (1 - p));
}

class RemoteReranker final : public encoder::Reranker {
 public:
  RemoteReranker(RemoteRerankerConfig config, RemoteCallParts parts) : config_(std::move(config)), parts_(parts) {
    info_.model = config_.call.name;
    info_.tokens_max = config_.tokens_max;
  }

  const encoder::RerankerInfo& info() const override { return info_; }

  Task<Result<encoder::RerankScores>> score(std::string query, std::vector<std::string> documents,
                                            RequestContext& context) override {
    encoder::RerankScores out;
    for (std::size_t begin = 0; begin < documents.size(); begin += config_.batch_documents_max) {
      const std::size_t end = std::min(begin + config_.batch_documents_max, documents.size());
      const std::span<const std::string> part(documents.data() + begin, end - begin);
      const std::size_t estimated = estimate(query, part);
      RemoteRequest request{"rerank", [&, this](const std::string& model) { return body(model, query, part); },
                            estimated};
      const auto read = [&, this](const json::value& answer) { return append(answer, part.size(), estimated, out); };
      RAGTIME_CO_TRY_DONE(co_await post_json(parts_, config_.call, std::move(request), read, context));
    }
    const auto outside = [](float score) { return score < 0 || score > 1; };
    if (std::none_of(out.logits.begin(), out.logits.end(), outside)) {
      for (float& score : out.logits) score = logit(score);
    }
    co_return out;
  }

 private:
  std::string body(const std::string& model, const std::string& query, std::span<const std::string> documents) const {
    json::array texts(documents.begin(), documents.end());
    json::object out{{"query", query}};
    if (config_.dialect == RerankDialect::tei) {
      out["texts"] = std::move(texts);
      out["truncate"] = true;
      return json::serialize(out);
    }
    out["model"] = model;
    out["top_n"] = texts.size();
    out["documents"] = std::move(texts);
    if (config_.dialect != RerankDialect::cohere_v2) out["return_documents"] = false;
    return json::serialize(out);
  }

  Result<void> append(const json::value& answer, std::size_t count, std::size_t estimated,
                      encoder::RerankScores& out) const {
    RAGTIME_TRY(const auto scores, scores_of(answer, count));
    out.logits.insert(out.logits.end(), scores.begin(), scores.end());
    const std::size_t tokens = tokens_of(answer);
    out.tokens += tokens != 0 ? tokens : estimated;
    return {};
  }

  Result<std::vector<float>> scores_of(const json::value& answer, std::size_t count) const {
    const json::array* results = results_of(answer);
    if (results == nullptr || results->size() != count) {
      return bad_answer(config_.call, "did not send one score for each of " + std::to_string(count) + " documents");
    }
    std::vector<std::optional<float>> scores(count);
    for (const json::value& item : *results) {
      const json::value* index = child(&item, "index");
      const auto place = index != nullptr && index->is_int64() ? index->get_int64() : -1;
      if (place < 0 || place >= static_cast<std::int64_t>(count) || scores[static_cast<std::size_t>(place)]) {
        return bad_answer(config_.call, "sent scores with a wrong index");
      }
      const auto score = score_of(item);
      if (!score) return bad_answer(config_.call, "sent a score that is not a finite number");
      scores[static_cast<std::size_t>(place)] = score;
    }
    std::vector<float> out;
    for (const auto& score : scores) out.push_back(*score);
    return out;
  }

  static std::size_t estimate(const std::string& query, std::span<const std::string> documents) {
    auto tokens = static_cast<std::size_t>(text::count_tokens(query)) * documents.size();
    for (const std::string& document : documents) tokens += static_cast<std::size_t>(text::count_tokens(document));
    return tokens;
  }

  const RemoteRerankerConfig config_;
  RemoteCallParts parts_;
  encoder::RerankerInfo info_;
};

}  // namespace

std::unique_ptr<encoder::Reranker> make_remote_reranker(RemoteRerankerConfig config, RemoteCallParts parts) {
  return std::make_unique<RemoteReranker>(std::move(config), parts);
}

}  // namespace ragtime::llm
