// Answers of the scripted upstream that need no script: embeddings, reranking, models. Deterministic.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace ragtime::load {

// The body of POST /v1/embeddings: unit vectors that depend on nothing but each text. Empty: the request is wrong.
std::string embeddings_body(const boost::json::object& request, std::size_t dimensions_default);
// The body of POST /v1/rerank: scores are the share of the query's words in the document. Empty: the request is wrong.
std::string rerank_body(const boost::json::object& request);
std::string models_body(std::span<const std::string> models);

}  // namespace ragtime::load
