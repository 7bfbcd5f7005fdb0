#include "api/wire.h"

#include <cmath>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ragtime::api {
namespace {

json::value optional_value(const std::optional<std::int64_t>& number) {
  if (!number) return nullptr;
  return *number;
}

json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::value(text);
}

json::value page_or_null(int page) {
  if (page == 0) return nullptr;
  return page;
}

json::object counts_object(const storage::FileCounts& counts) {
  return {{"in_progress", counts.in_progress},
          {"completed", counts.completed},
          {"failed", counts.failed},
          {"cancelled", counts.cancelled},
          {"total", counts.total()}};
}

std::optional<std::int64_t> expiry(const storage::VectorStoreRecord& store) {
  if (!store.expires_after_days) return std::nullopt;
  return store.last_active_at + *store.expires_after_days * 86'400;
}

std::string_view store_status(const storage::VectorStoreRecord& store, std::int64_t now) {
  if (is_expired(store, now)) return "expired";
  return store.file_counts.in_progress > 0 ? "in_progress" : "completed";
}

json::object chunking_object(const storage::DocumentRecord& document) {
  if (document.chunk_size == 0) return {{"type", "other"}};
  json::object sizes{{"max_chunk_size_tokens", document.chunk_size}, {"chunk_overlap_tokens", document.chunk_overlap}};
  json::object strategy;
  strategy["type"] = "static";
  strategy["static"] = std::move(sizes);
  return strategy;
}

void add_hit_place(json::object& object, const engine::SearchHit& hit) {
  object["chunk_id"] = std::to_string(hit.chunk_id);
  object["vector_store_id"] = hit.store_id;
  object["page"] = page_or_null(hit.chunk.page_first);
  object["heading_path"] = hit.chunk.heading_path;
  object["start"] = hit.chunk.begin;
  object["end"] = hit.chunk.end;
  json::object scores{{"dense", hit.dense_score}, {"lexical", hit.lexical_score}};
  if (hit.rerank_score) scores["rerank"] = *hit.rerank_score;
  object["scores"] = std::move(scores);
}

// Whole numbers as such: 2024, not 2024.0.
json::value number_value(double number) {
  constexpr double kExactMax = 9007199254740992.0;
  if (number == std::trunc(number) && std::abs(number) <= kExactMax) return static_cast<std::int64_t>(number);
  return number;
}

json::value attribute_value(const AttributeValue& value) {
  if (const double* number = std::get_if<double>(&value)) return number_value(*number);
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  return json::value(std::get<std::string>(value));
}

double rounded(double milliseconds) {
  return std::round(milliseconds * 1000) / 1000;
}

}  // namespace

std::string_view status_name(storage::DocumentStatus status) {
  switch (status) {
    case storage::DocumentStatus::in_progress:
      return "in_progress";
    case storage::DocumentStatus::completed:
      return "completed";
    case storage::DocumentStatus::failed:
      return "failed";
    case storage::DocumentStatus::cancelled:
      return "cancelled";
  }
  return "failed";
}

bool is_expired(const storage::VectorStoreRecord& store, std::int64_t now) {
  const auto expires_at = expiry(store);
  return expires_at && *expires_at <= now;
}

json::object file_object(const storage::FileRecord& file) {
  return {{"id", file.id},
          {"object", "file"},
          {"bytes", file.bytes},
          {"created_at", file.created_at},
          {"filename", file.filename},
          {"purpose", file.purpose},
          {"status", "processed"},
          {"status_details", nullptr},
          {"expires_at", optional_value(file.expires_at)},
          {"sha256", file.sha256}};
}

namespace {

json::value number_or_null(const std::optional<double>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

json::object ranking_object(const storage::RankingSettings& ranking) {
  return {{"k1", number_or_null(ranking.k1)},
          {"b", number_or_null(ranking.b)},
          {"heading_weight", number_or_null(ranking.heading_weight)}};
}

}  // namespace

json::object vector_store_object(const storage::VectorStoreRecord& store, std::int64_t now) {
  json::object object{{"id", store.id},
                      {"object", "vector_store"},
                      {"created_at", store.created_at},
                      {"name", store.name},
                      {"description", text_or_null(store.description)},
                      {"usage_bytes", store.usage_bytes},
                      {"status", store_status(store, now)},
                      {"expires_after", nullptr},
                      {"expires_at", optional_value(expiry(store))},
                      {"last_active_at", store.last_active_at},
                      {"embedding_model", text_or_null(store.embedding_model)}};
  object["file_counts"] = counts_object(store.file_counts);
  object["metadata"] = metadata_object(store.metadata);
  object["ragtime"] = json::object{{"bm25", ranking_object(store.ranking)}};
  if (store.expires_after_days) {
    object["expires_after"] = json::object{{"anchor", "last_active_at"}, {"days", *store.expires_after_days}};
  }
  return object;
}

namespace {

json::object vector_index_object(const index::VectorIndexReport& report) {
  return {{"kind", index::vector_kind_name(report.kind)},
          {"reason", report.reason},
          {"vectors", report.vectors},
          {"recent", report.recent},
          {"removed", report.removed},
          {"bytes", report.bytes},
          {"file_bytes", report.file_bytes},
          {"recall", report.recall ? json::value(*report.recall) : json::value(nullptr)}};
}

}  // namespace

json::object index_object(const engine::IndexReport& report) {
  json::object object{{"documents", report.documents}, {"chunks", report.chunks}};
  object["vector"] = report.vectors ? json::value(vector_index_object(*report.vectors)) : json::value(nullptr);
  object["lexical"] = json::object{{"chunks", report.lexical.chunks},
                                   {"recent", report.lexical.recent},
                                   {"removed", report.lexical.removed},
                                   {"terms", report.lexical.terms},
                                   {"bytes", report.lexical.bytes}};
  return object;
}

json::object store_file_object(const storage::DocumentRecord& document) {
  json::object object{{"id", document.file_id},
                      {"object", "vector_store.file"},
                      {"created_at", document.created_at},
                      {"usage_bytes", document.usage_bytes},
                      {"vector_store_id", document.store_id},
                      {"status", status_name(document.status)},
                      {"last_error", nullptr},
                      {"filename", document.filename},
                      {"chunk_count", document.chunk_count}};
  if (!document.error_code.empty()) {
    object["last_error"] = json::object{{"code", document.error_code}, {"message", document.error_message}};
  }
  object["chunking_strategy"] = chunking_object(document);
  object["attributes"] = attributes_object(document.attributes);
  return object;
}

json::object batch_object(const storage::BatchRecord& batch) {
  const std::string_view status = batch.cancelled                     ? "cancelled"
                                  : batch.file_counts.in_progress > 0 ? "in_progress"
                                                                      : "completed";
  json::object object{{"id", batch.id},
                      {"object", "vector_store.files_batch"},
                      {"created_at", batch.created_at},
                      {"vector_store_id", batch.store_id},
                      {"status", status}};
  object["file_counts"] = counts_object(batch.file_counts);
  return object;
}

json::object document_object(const storage::DocumentRecord& document, bool current) {
  return {{"object", "ragtime.document"},
          {"path", document.path},
          {"file_id", document.file_id},
          {"filename", document.filename},
          {"sha256", document.sha256},
          {"status", status_name(document.status)},
          {"chunks", document.chunk_count},
          {"created_at", document.created_at},
          {"current", current}};
}

json::object attributes_object(const Attributes& attributes) {
  json::object object;
  for (const auto& [key, value] : attributes) object[key] = attribute_value(value);
  return object;
}

json::object metadata_object(const storage::Metadata& metadata) {
  json::object object;
  for (const auto& [key, value] : metadata) object[key] = value;
  return object;
}

json::object search_hit_object(const engine::SearchHit& hit) {
  json::object object{{"file_id", hit.file_id}, {"filename", hit.filename}, {"score", hit.score}};
  object["attributes"] = attributes_object(hit.attributes);
  json::array content;
  content.push_back(json::object{{"type", "text"}, {"text", hit.chunk.text}});
  object["content"] = std::move(content);
  add_hit_place(object, hit);
  return object;
}

json::object file_search_result_object(const engine::SearchHit& hit) {
  json::object object{
      {"file_id", hit.file_id}, {"filename", hit.filename}, {"score", hit.score}, {"text", hit.chunk.text}};
  object["attributes"] = attributes_object(hit.attributes);
  add_hit_place(object, hit);
  return object;
}

json::object citation_object(const rag::Citation& citation) {
  return {{"type", "file_citation"},
          {"file_id", citation.file_id},
          {"filename", citation.filename},
          {"index", citation.index},
          {"chunk_id", std::to_string(citation.chunk_id)},
          {"vector_store_id", citation.store_id},
          {"page", page_or_null(citation.page)},
          {"heading_path", citation.heading_path},
          {"start", citation.begin},
          {"end", citation.end},
          {"quote", citation.quote},
          {"verified", citation.verified}};
}

json::object ragtime_object(RequestContext& context, double total_ms, const std::vector<std::string>& degraded) {
  json::object timings;
  for (const StageTimings::Stage& stage : context.timings().snapshot()) {
    timings[stage.name] = rounded(stage.milliseconds);
  }
  timings["total"] = rounded(total_ms);
  json::object counts;
  for (const StageTimings::Count& count : context.timings().counts()) counts[count.name] = count.items;
  json::object object;
  object["timings"] = std::move(timings);
  if (!counts.empty()) object["counts"] = std::move(counts);
  if (!degraded.empty()) object["degraded"] = json::array(degraded.begin(), degraded.end());
  return object;
}

json::object ragtime_object(RequestContext& context, double total_ms, const rag::Answer& answer) {
  json::object object = ragtime_object(context, total_ms, answer.degraded);
  if (answer.route) object["routing"] = route_object(*answer.route);
  return object;
}

json::object route_object(const rag::RouteChoice& route) {
  const rag::ComplexityReport& report = route.report;
  return {{"complexity", rag::name(report.complexity)},
          {"model", route.model},
          {"score", rounded(report.score)},
          {"reasons", json::array(report.reasons.begin(), report.reasons.end())}};
}

std::string route_text(const rag::RouteChoice& route) {
  std::string text = fmt::format("{}; model={}", rag::name(route.report.complexity), route.model);
  if (!route.report.reasons.empty()) text += fmt::format("; reasons={}", fmt::join(route.report.reasons, ","));
  // A model's name comes from the configuration and need not be fit for a header.
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c > 0x7e; });
  return text;
}

}  // namespace ragtime::api
