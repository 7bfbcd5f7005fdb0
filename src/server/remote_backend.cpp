#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "http/client.h"
#include "http/sse.h"
#include "server/api_reply.h"
#include "server/backend.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr int kStorePageItems = 100;

class RemoteBackend final : public Backend {
 public:
  explicit RemoteBackend(ServerDescription server) : server_(std::move(server)), client_(client_config()) {}

  std::string where() const override { return fmt::format("the server at {}", server_.url); }
  std::string notice() const override { return {}; }

  Task<Result<std::vector<StoredDocument>>> list_documents(std::string store, std::string prefix,
                                                           RequestContext& context) override {
    std::vector<StoredDocument> out;
    auto id = co_await find_store(store, context);
    if (id.has_error() && id.error().code == ErrorCode::not_found) co_return out;
    if (id.has_error()) co_return id.error();
    std::string target = fmt::format("/v1/vector_stores/{}/documents?prefix={}", *id, encode_url(prefix));
    auto sent = call("GET", std::move(target), {}, context);
    RAGTIME_CO_TRY(const json::object reply, co_await std::move(sent));
    for (const auto& item : list_member(reply, "data")) {
      out.push_back({text_member(item, "path"), text_member(item, "file_id"), text_member(item, "sha256"),
                     flag_member(item, "current")});
    }
    co_return out;
  }

  Task<Result<void>> ensure_store(std::string store, RequestContext& context) override {
    auto found = co_await find_store(store, context);
    if (found.has_value()) co_return Result<void>();
    if (found.error().code != ErrorCode::not_found) co_return found.error();
    auto sent = call("POST", "/v1/vector_stores", json::serialize(json::object{{"name", store}}), context);
    RAGTIME_CO_TRY(const json::object created, co_await std::move(sent));
    store_ids_[store] = text_member(created, "id");
    co_return Result<void>();
  }

  Task<Result<rag::IngestResult>> put_document(std::string store, fs::path file, RequestContext& context) override {
    RAGTIME_CO_TRY(const std::string id, co_await find_store(store, context));
    RAGTIME_CO_TRY(std::string content, read_file(file));
    auto sent = call("PUT", document_target(id, file.string()), std::move(content), context);
    RAGTIME_CO_TRY(const json::object reply, co_await std::move(sent));
    rag::IngestResult out;
    const std::string outcome = text_member(reply, "outcome");
    out.outcome = outcome == "unchanged"  ? rag::IngestOutcome::unchanged
                  : outcome == "replaced" ? rag::IngestOutcome::replaced
                                          : rag::IngestOutcome::added;
    out.file_id = text_member(reply, "file_id");
    out.chunks = static_cast<std::size_t>(number_member(reply, "chunks"));
    out.tokens = static_cast<std::size_t>(number_member(reply, "tokens"));
    co_return out;
  }

  Task<Result<void>> remove_document(std::string store, std::string path, RequestContext& context) override {
    RAGTIME_CO_TRY(const std::string id, co_await find_store(store, context));
    auto sent = call("DELETE", document_target(id, path), {}, context);
    RAGTIME_CO_TRY([[maybe_unused]] const json::object reply, co_await std::move(sent));
    co_return Result<void>();
  }

  Task<Result<rag::Answer>> ask(Question question, TextSink sink, RequestContext& context) override {
    RAGTIME_CO_TRY(const std::string id, co_await find_store(question.store, context));
    if (question.model.empty()) {
      RAGTIME_CO_TRY(question.model, co_await default_model(context));
    }
    json::object tool{{"type", "file_search"}};
    tool["vector_store_ids"] = json::array{json::value(id)};
    json::object body{{"model", question.model}, {"input", question.text}, {"stream", true}, {"store", false}};
    body["tools"] = json::array{json::value(std::move(tool))};
    http::ClientRequest request = make_request("POST", "/v1/responses", json::serialize(body));
    request.headers.set("content-type", "application/json");
    auto opening = client_.open(std::move(request), context);
    RAGTIME_CO_TRY(auto stream, co_await std::move(opening));
    co_return co_await read_answer(*stream, sink, context);
  }

  Task<Result<engine::SearchResults>> search(SearchQuestion question, RequestContext& context) override {
    RAGTIME_CO_TRY(const std::string id, co_await find_store(question.store, context));
    const json::object body{{"query", question.text}, {"max_num_results", question.results}};
    auto sent = call("POST", fmt::format("/v1/vector_stores/{}/search", id), json::serialize(body), context);
    RAGTIME_CO_TRY(const json::object reply, co_await std::move(sent));
    add_timings(reply, context);
    engine::SearchResults out;
    for (const auto& item : list_member(reply, "data")) out.hits.push_back(read_hit(item));
    co_return out;
  }

 private:
  static http::ClientConfig client_config() {
    http::ClientConfig config;
    config.idle_timeout = std::chrono::minutes(10);  // A big document is silent while it is embedded.
    return config;
  }

  static std::string document_target(const std::string& store_id, const std::string& path) {
    return fmt::format("/v1/vector_stores/{}/documents/{}", store_id, encode_url(path));
  }

  http::ClientRequest make_request(std::string method, const std::string& target, std::string body) const {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = server_.url + target;
    request.headers.set("authorization", "Bearer " + server_.token);
    if (!body.empty()) request.headers.set("content-type", "application/json");
    request.body = std::move(body);
    return request;
  }

  Task<Result<json::object>> call(std::string method, std::string target, std::string body, RequestContext& context) {
    const bool upload = method == "PUT";
    http::ClientRequest request = make_request(std::move(method), target, std::move(body));
    if (upload) request.headers.set("content-type", "application/octet-stream");
    auto sent = client_.send(std::move(request), context);
    RAGTIME_CO_TRY(const http::ClientResponse response, co_await std::move(sent));
    co_return read_reply(response.status, response.body);
  }

  // By name or id. not_found when there is none.
  Task<Result<std::string>> find_store(std::string name, RequestContext& context) {
    if (const auto known = store_ids_.find(name); known != store_ids_.end()) co_return known->second;
    std::string after;
    while (true) {
      auto sent = call("GET",
                       fmt::format("/v1/vector_stores?order=asc&limit={}{}{}", kStorePageItems,
                                   after.empty() ? "" : "&after=", after),
                       {}, context);
      RAGTIME_CO_TRY(const json::object page, co_await std::move(sent));
      for (const auto& store : list_member(page, "data")) {
        after = text_member(store, "id");
        if (text_member(store, "name") != name && after != name) continue;
        store_ids_[name] = after;
        co_return after;
      }
      if (!flag_member(page, "has_more")) break;
    }
    co_return make_error(
        ErrorCode::not_found,
        fmt::format("there is no store \"{}\" yet; `ragtime ingest PATH --store {}` makes it", name, name));
  }

  Task<Result<std::string>> default_model(RequestContext& context) {
    auto sent = call("GET", "/v1/models", {}, context);
    RAGTIME_CO_TRY(const json::object models, co_await std::move(sent));
    for (const auto& model : list_member(models, "data")) {
      if (text_member(model, "task") == "chat") co_return text_member(model, "id");
    }
    co_return std::string(rag::kExtractiveModel);
  }

  static Task<Result<rag::Answer>> read_answer(http::ClientStream& stream, TextSink& sink, RequestContext& context) {
    std::string failed_body;
    http::SseParser parser;
    AnswerReader reader(sink, context);
    while (true) {
      auto reading = stream.read_some(context);
      RAGTIME_CO_TRY(const std::string bytes, co_await std::move(reading));
      if (bytes.empty()) break;
      if (stream.status() != 200) {
        failed_body += bytes;
        continue;
      }
      for (const auto& event : parser.feed(bytes)) RAGTIME_CO_TRY_DONE(reader.take(event.data));
    }
    if (stream.status() != 200) co_return read_reply(stream.status(), failed_body).error();
    co_return reader.finish();
  }

  static Result<std::string> read_file(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    if (!in) return make_error(ErrorCode::unavailable, "cannot be read");
    return std::move(out).str();
  }

  const ServerDescription server_;
  http::Client client_;
  std::map<std::string, std::string> store_ids_;  // By name.
};

}  // namespace

std::unique_ptr<Backend> make_remote_backend(ServerDescription server) {
  return std::make_unique<RemoteBackend>(std::move(server));
}

}  // namespace ragtime::server
