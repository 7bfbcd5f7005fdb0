// Rows and results as the JSON objects of OpenAI's API. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/attributes.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "rag/answer.h"
#include "storage/records.h"

namespace ragtime::api {

namespace json = boost::json;

std::string_view status_name(storage::DocumentStatus status);
bool is_expired(const storage::VectorStoreRecord& store, std::int64_t now);

json::object file_object(const storage::FileRecord& file);
json::object vector_store_object(const storage::VectorStoreRecord& store, std::int64_t now);
// The "index" of a vector store: what its indexes are, why, and how large.
json::object index_object(const engine::IndexReport& report);
json::object store_file_object(const storage::DocumentRecord& document);
json::object batch_object(const storage::BatchRecord& batch);
// A file of `ragtime ingest` in its store.
// `current`: ingesting the same content again would change nothing.
json::object document_object(const storage::DocumentRecord& document, bool current);
json::object attributes_object(const Attributes& attributes);
json::object metadata_object(const storage::Metadata& metadata);

// A hit of /search; `file_search_call.results` have the text flat instead of in `content`.
json::object search_hit_object(const engine::SearchHit& hit);
json::object file_search_result_object(const engine::SearchHit& hit);
// A `file_citation` annotation with our fields beside OpenAI's.
json::object citation_object(const rag::Citation& citation);

// {"timings": {stage: ms, …, "total": ms}, "counts": {stage: items, …}, "degraded": […]}, the latter two when any.
json::object ragtime_object(RequestContext& context, double total_ms, const std::vector<std::string>& degraded);
// With "routing" when the answer's model was chosen by complexity.
json::object ragtime_object(RequestContext& context, double total_ms, const rag::Answer& answer);
// {"complexity", "model", "score", "reasons": […]}
json::object route_object(const rag::RouteChoice& route);
// "strong; model=large; reasons=reasoning,code", for the header x-ragtime-route.
std::string route_text(const rag::RouteChoice& route);

}  // namespace ragtime::api
