// POST /v1/embeddings
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "api/base64.h"
#include "api/endpoints.h"
#include "api/json_reader.h"
#include "api/reply.h"
#include "text/chunker.h"

namespace ragtime::api {
namespace {

static_assert(std::endian::native == std::endian::little, "base64 embeddings are little-endian float32");

constexpr std::size_t kInputsMax = 2048;
constexpr std::size_t kInputTokensMax = 8192;
constexpr std::size_t kRequestTokensMax = 300'000;

struct EmbeddingsRequest {
  std::string model;
  std::vector<std::string> inputs;
  std::vector<std::vector<std::int32_t>> token_inputs;  // In place of `inputs`.
  std::optional<std::int64_t> dimensions;
  bool base64 = false;
};

// The limits of one request over all its inputs.
class TokenBudget {
 public:
  void take(const JsonNode& node, std::size_t tokens) {
    total_ += tokens;
    if (tokens > kInputTokensMax) {
      node.reject(
          fmt::format("Invalid '{}': about {} tokens; at most {} are allowed.", node.path(), tokens, kInputTokensMax));
    } else if (total_ > kRequestTokensMax) {
      node.reject(fmt::format("Invalid 'input': more than {} tokens in one request.", kRequestTokensMax));
    }
  }

 private:
  std::size_t total_ = 0;
};

std::string read_text(const JsonNode& node, TokenBudget& budget) {
  std::string text = node.string();
  if (text.empty()) node.reject(fmt::format("Invalid '{}': the text must not be empty.", node.path()));
  budget.take(node, static_cast<std::size_t>(text::count_tokens(text)));
  return text;
}

std::vector<std::int32_t> read_ids(const JsonNode& node, TokenBudget& budget) {
  std::vector<std::int32_t> ids;
  for (const JsonNode& item : node.items(kInputTokensMax)) {
    ids.push_back(static_cast<std::int32_t>(item.integer(0, std::numeric_limits<std::int32_t>::max())));
  }
  if (ids.empty()) node.reject(fmt::format("Invalid '{}': the array must not be empty.", node.path()));
  budget.take(node, ids.size());
  return ids;
}

// A text, a token array, or an array of one of these; the first item tells of which.
void read_inputs(const JsonNode& node, EmbeddingsRequest& request) {
  TokenBudget budget;
  if (!node.is_array()) {
    request.inputs.push_back(read_text(node, budget));
    return;
  }
  const std::vector<JsonNode> items = node.items(kInputTokensMax);
  if (items.empty()) return node.reject("Invalid 'input': the array must not be empty.");
  if (items.front().is_number()) {
    request.token_inputs.push_back(read_ids(node, budget));
    return;
  }
  if (items.size() > kInputsMax) return static_cast<void>(node.items(kInputsMax));
  for (const JsonNode& item : items) {
    if (items.front().is_array()) {
      request.token_inputs.push_back(read_ids(item, budget));
    } else {
      request.inputs.push_back(read_text(item, budget));
    }
  }
}

Result<EmbeddingsRequest> read_request(const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode root = document.root();
  EmbeddingsRequest request;
  request.model = root["model"].string();
  read_inputs(root["input"], request);
  request.dimensions = root["dimensions"].optional_integer(1, 1 << 20);
  if (root["encoding_format"].present())
    request.base64 = root["encoding_format"].choice({"float", "base64"}) == "base64";
  RAGTIME_TRY_DONE(document.status());
  return request;
}

Result<encoder::Embedder*> find_embedder(const Environment& env, const std::string& model) {
  std::vector<encoder::Embedder*> all = env.embedders;
  if (env.embedder) all.insert(all.begin(), env.embedder);
  if (all.empty()) {
    return make_error(ErrorCode::not_found,
                      "No embedding model is loaded; search works lexically only. Add one with "
                      "`ragtime model add NAME` and restart.",
                      "model");
  }
  for (encoder::Embedder* embedder : all) {
    if (embedder->info().model == model) return embedder;
  }
  return make_error(
      ErrorCode::not_found,
      fmt::format("The embedding model '{}' does not exist; '{}' does.", model, all.front()->info().model), "model");
}

// `available` is 0 where only an answer can tell.
Result<void> check_dimensions(const EmbeddingsRequest& request, std::size_t available) {
  if (available == 0 || request.dimensions.value_or(1) <= static_cast<std::int64_t>(available)) return {};
  return make_error(ErrorCode::invalid_argument,
                    fmt::format("Invalid 'dimensions': the model '{}' has {}.", request.model, available),
                    "dimensions");
}

// The first `dimensions` values, with length 1 again.
std::vector<float> truncated(std::span<const float> row, std::size_t dimensions) {
  std::vector<float> out(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(dimensions));
  const float length = std::sqrt(std::inner_product(out.begin(), out.end(), out.begin(), 0.0f));
  if (length > 0) {
    for (float& value : out) value /= length;
  }
  return out;
}

Task<Result<encoder::Embeddings>> embed(encoder::Embedder& embedder, const EmbeddingsRequest& request,
                                        RequestContext& context) {
  if (request.token_inputs.empty()) {
    co_return co_await embedder.embed(request.inputs, encoder::EmbedPurpose::document, context);
  }
  co_return co_await embedder.embed_ids(request.token_inputs, context);
}

json::value vector_value(const std::vector<float>& vector, bool base64) {
  if (!base64) return json::array(vector.begin(), vector.end());
  return json::value(base64_encode({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)}));
}

json::object embeddings_object(const EmbeddingsRequest& request, const encoder::Embeddings& embeddings) {
  json::array data;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < embeddings.size(); ++i) {
    const std::span<const float> row = embeddings.row(i);
    const auto dimensions = static_cast<std::size_t>(request.dimensions.value_or(0));
    const bool shorten = dimensions != 0 && dimensions < row.size();
    json::object item{{"object", "embedding"}, {"index", i}};
    item["embedding"] =
        vector_value(shorten ? truncated(row, dimensions) : std::vector<float>(row.begin(), row.end()), request.base64);
    data.push_back(std::move(item));
    tokens += embeddings.token_counts[i];
  }
  json::object object{{"object", "list"}, {"model", request.model}};
  object["data"] = std::move(data);
  object["usage"] = json::object{{"prompt_tokens", tokens}, {"total_tokens", tokens}};
  return object;
}

}  // namespace

Task<Result<http::Response>> create_embeddings(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const EmbeddingsRequest wanted, read_request(request.body));
  RAGTIME_CO_TRY(encoder::Embedder* const embedder, find_embedder(env, wanted.model));
  RAGTIME_CO_TRY_DONE(check_dimensions(wanted, embedder->info().dimensions));
  StageTimer timer(context, "embed");
  auto embeddings = co_await embed(*embedder, wanted, context);
  timer.stop();
  if (embeddings.has_error()) co_return embeddings.error();
  RAGTIME_CO_TRY_DONE(check_dimensions(wanted, embeddings->dimensions));
  // Writing a million numbers takes too long for an event loop.
  const auto write = [&]() -> Result<http::Response> { return json_reply(embeddings_object(wanted, *embeddings)); };
  co_return co_await env.blocking.run(context, write);
}

}  // namespace ragtime::api
