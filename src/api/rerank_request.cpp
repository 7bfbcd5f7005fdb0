#include "api/rerank_request.h"

#include <fmt/format.h>

#include "api/json_reader.h"
#include "text/chunker.h"

namespace ragtime::api {
namespace {

constexpr std::size_t kDocumentsMax = 1000;
constexpr std::int64_t kTextTokensMax = 8192;
constexpr std::int64_t kRequestTokensMax = 300'000;

std::string read_text(const JsonNode& node, std::int64_t& tokens_total) {
  std::string text = node.string();
  const std::int64_t tokens = text::count_tokens(text);
  tokens_total += tokens;
  if (tokens > kTextTokensMax) {
    node.reject(
        fmt::format("Invalid '{}': about {} tokens; at most {} are allowed.", node.path(), tokens, kTextTokensMax));
  } else if (tokens_total > kRequestTokensMax) {
    node.reject(fmt::format("Invalid '{}': more than {} tokens in one request.", node.path(), kRequestTokensMax));
  }
  return text;
}

std::vector<std::string> read_documents(const JsonNode& node, std::int64_t& tokens) {
  std::vector<std::string> documents;
  if (!node.present()) node.reject_missing();
  for (const JsonNode& item : node.items(kDocumentsMax)) {
    documents.push_back(read_text(item.is_object() ? item["text"] : item, tokens));
  }
  if (node.is_array() && documents.empty()) {
    node.reject(fmt::format("Invalid '{}': the array must not be empty.", node.path()));
  }
  return documents;
}

}  // namespace

Result<RerankRequest> read_rerank_request(const std::string& body, bool allow_bare) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode root = document.root();
  RerankRequest request;
  std::int64_t tokens = 0;
  request.bare = allow_bare && root["texts"].present();
  request.model = root["model"].optional_string().value_or("");
  const JsonNode query = root["query"];
  request.query = read_text(query, tokens);
  if (request.query.empty()) query.reject("Invalid 'query': the text must not be empty.");
  request.documents = read_documents(root[request.bare ? "texts" : "documents"], tokens);
  if (const auto count = root["top_n"].optional_integer(1, 1 << 30)) {
    request.results_max = static_cast<std::size_t>(*count);
  }
  request.return_documents = root[request.bare ? "return_text" : "return_documents"].boolean_or(false);
  request.raw_scores = root["raw_scores"].boolean_or(false);
  RAGTIME_TRY_DONE(document.status());
  return request;
}

}  // namespace ragtime::api
