#include "server/api_reply.h"

#include <charconv>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace ragtime::server {
namespace {

namespace json = boost::json;

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::invalid_argument;
    case 401:
      return ErrorCode::unauthenticated;
    case 403:
      return ErrorCode::permission_denied;
    case 404:
      return ErrorCode::not_found;
    case 409:
      return ErrorCode::conflict;
    case 413:
      return ErrorCode::too_large;
    case 415:
      return ErrorCode::unsupported;
    case 429:
      return ErrorCode::resource_exhausted;
    case 504:
      return ErrorCode::deadline_exceeded;
    default:
      return ErrorCode::unavailable;
  }
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

std::int64_t integer_text(const json::object& object, std::string_view key) {
  const std::string digits = text_member(object, key);
  std::int64_t out = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

rag::Citation read_citation(const json::object& annotation) {
  rag::Citation out;
  out.index = static_cast<std::size_t>(number_member(annotation, "index"));
  out.file_id = text_member(annotation, "file_id");
  out.filename = text_member(annotation, "filename");
  out.store_id = text_member(annotation, "vector_store_id");
  out.chunk_id = integer_text(annotation, "chunk_id");
  out.page = static_cast<int>(number_member(annotation, "page"));
  out.heading_path = text_member(annotation, "heading_path");
  out.begin = static_cast<std::size_t>(number_member(annotation, "start"));
  out.end = static_cast<std::size_t>(number_member(annotation, "end"));
  out.quote = text_member(annotation, "quote");
  out.verified = flag_member(annotation, "verified");
  return out;
}

}  // namespace

std::string text_member(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

double number_member(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_number() ? value->to_number<double>() : 0;
}

bool flag_member(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

std::vector<json::object> list_member(const json::object& object, std::string_view key) {
  std::vector<json::object> out;
  const auto* value = object.if_contains(key);
  if (!value || !value->is_array()) return out;
  for (const auto& item : value->get_array()) {
    if (item.is_object()) out.push_back(item.get_object());
  }
  return out;
}

std::string encode_url(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<json::object> read_reply(int status, std::string_view body) {
  json::error_code failure;
  const json::value parsed = json::parse(body, failure);
  const auto* object = failure ? nullptr : parsed.if_object();
  if (status >= 200 && status < 300) {
    if (object) return *object;
    return make_error(ErrorCode::unavailable, "the server sent no valid JSON");
  }
  const auto* error = object ? object_at(*object, "error") : nullptr;
  std::string message = error ? text_member(*error, "message") : std::string();
  if (message.empty()) message = fmt::format("the server answered with status {}", status);
  return make_error(code_of(status), std::move(message), error ? text_member(*error, "param") : std::string());
}

engine::SearchHit read_hit(const json::object& hit) {
  engine::SearchHit out;
  out.chunk_id = integer_text(hit, "chunk_id");
  out.store_id = text_member(hit, "vector_store_id");
  out.file_id = text_member(hit, "file_id");
  out.filename = text_member(hit, "filename");
  out.score = static_cast<float>(number_member(hit, "score"));
  for (const auto& part : list_member(hit, "content")) out.chunk.text += text_member(part, "text");
  out.chunk.heading_path = text_member(hit, "heading_path");
  out.chunk.page_first = static_cast<int>(number_member(hit, "page"));
  out.chunk.begin = static_cast<std::size_t>(number_member(hit, "start"));
  out.chunk.end = static_cast<std::size_t>(number_member(hit, "end"));
  if (const auto* scores = object_at(hit, "scores")) {
    out.dense_score = static_cast<float>(number_member(*scores, "dense"));
    out.lexical_score = static_cast<float>(number_member(*scores, "lexical"));
  }
  return out;
}

void add_timings(const json::object& reply, RequestContext& context) {
  const auto* ragtime = object_at(reply, "ragtime");
  const auto* timings = ragtime ? object_at(*ragtime, "timings") : nullptr;
  if (!timings) return;
  for (const auto& [stage, time] : *timings) {
    if (time.is_number()) context.timings().add(stage, time.to_number<double>());
  }
}

Result<void> AnswerReader::take(std::string_view data) {
  json::error_code failure;
  const json::value parsed = json::parse(data, failure);
  if (failure || !parsed.is_object()) return {};  // "[DONE]"
  const json::object& event = parsed.get_object();
  const std::string type = text_member(event, "type");
  if (type == "response.output_text.delta") {
    const std::string delta = text_member(event, "delta");
    if (sink_) sink_(delta);
  } else if (type == "error") {
    return make_error(ErrorCode::unavailable, text_member(event, "message"));
  } else if (type == "response.failed") {
    const auto* response = object_at(event, "response");
    const auto* error = response ? object_at(*response, "error") : nullptr;
    return make_error(ErrorCode::unavailable, error ? text_member(*error, "message") : "the answer failed");
  } else if (type == "response.completed" || type == "response.incomplete") {
    if (const auto* response = object_at(event, "response")) complete(*response);
  }
  return {};
}

void AnswerReader::complete(const json::object& response) {
  completed_ = true;
  answer_.model = text_member(response, "model");
  for (const auto& item : list_member(response, "output")) {
    for (const auto& part : list_member(item, "content")) {
      answer_.text += text_member(part, "text");
      for (const auto& annotation : list_member(part, "annotations")) {
        if (text_member(annotation, "type") == "file_citation") answer_.citations.push_back(read_citation(annotation));
      }
    }
  }
  add_timings(response, context_);
  const auto* ragtime = object_at(response, "ragtime");
  const auto* degraded = ragtime ? ragtime->if_contains("degraded") : nullptr;
  if (!degraded || !degraded->is_array()) return;
  for (const auto& item : degraded->get_array()) {
    if (item.is_string()) answer_.degraded.emplace_back(item.get_string());
  }
}

Result<rag::Answer> AnswerReader::finish() {
  if (completed_) return std::move(answer_);
  return make_error(ErrorCode::unavailable, "the connection ended before the answer was complete");
}

}  // namespace ragtime::server
