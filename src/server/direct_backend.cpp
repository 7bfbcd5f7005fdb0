#include <fstream>

#include <fmt/format.h>

#include "api/blob_claims.h"
#include "server/backend.h"
#include "server/runtime.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1 << 20;

Error cannot_read(const std::string& why) {
  return make_error(ErrorCode::unavailable, "cannot be read: " + why);
}

// Turns the events of an answer into text.
class SinkEvents final : public rag::AnswerEvents {
 public:
  explicit SinkEvents(TextSink& sink) : sink_(sink) {}
  Task<Result<void>> on_search_start(const std::vector<std::string>&) override { co_return Result<void>(); }
  Task<Result<void>> on_search_done(const engine::SearchResults&) override { co_return Result<void>(); }
  Task<Result<void>> on_delta(std::string_view text) override {
    if (sink_) sink_(text);
    co_return Result<void>();
  }
  Task<Result<void>> on_citation(const rag::Citation&) override { co_return Result<void>(); }

 private:
  TextSink& sink_;
};

class DirectBackend final : public Backend {
 public:
  explicit DirectBackend(std::unique_ptr<Runtime> runtime)
      : runtime_(std::move(runtime)), claims_(*runtime_->database, *runtime_->blobs) {}

  std::string where() const override {
    return fmt::format("the data directory {}", runtime_->data_directory.path().string());
  }
  std::string notice() const override { return runtime_->encoder_notice; }

  Task<Result<std::vector<StoredDocument>>> list_documents(std::string store, std::string prefix,
                                                           RequestContext& context) override {
    const auto list = [&]() -> Result<std::vector<StoredDocument>> {
      std::vector<StoredDocument> out;
      auto found = find_store(store);
      if (found.has_error() && found.error().code == ErrorCode::not_found) return out;
      if (found.has_error()) return found.error();
      RAGTIME_TRY(auto documents, runtime_->database->list_documents_by_path(found->id, prefix));
      for (auto& document : documents) {
        const bool current = runtime_->ingestor->is_current(document);
        out.push_back({std::move(document.path), std::move(document.file_id), std::move(document.sha256), current});
      }
      return out;
    };
    co_return co_await runtime_->blocking->run(context, list);
  }

  Task<Result<void>> ensure_store(std::string store, RequestContext& context) override {
    auto ensured = runtime_->ingestor->ensure_store(std::string(kLocalTenant), std::move(store), context);
    RAGTIME_CO_TRY([[maybe_unused]] const auto record, co_await std::move(ensured));
    co_return Result<void>();
  }

  Task<Result<rag::IngestResult>> put_document(std::string store, fs::path file, RequestContext& context) override {
    rag::IngestFile ingest;
    RAGTIME_CO_TRY(const auto record, find_store(store));
    const auto copy = [&] { return copy_to_blobs(file); };
    RAGTIME_CO_TRY(ingest.blob, co_await runtime_->blocking->run(context, copy));
    const std::string sha256 = ingest.blob.sha256;
    const std::string former = former_content(record.id, file.string());
    ingest.tenant = kLocalTenant;
    ingest.store_id = record.id;
    ingest.path = file.string();
    ingest.filename = file.filename().string();
    auto result = co_await runtime_->ingestor->ingest(std::move(ingest), context);
    release(sha256);
    if (!former.empty() && former != sha256) drop(former);
    co_return result;
  }

  Task<Result<void>> remove_document(std::string store, std::string path, RequestContext& context) override {
    RAGTIME_CO_TRY(const auto record, find_store(store));
    RAGTIME_CO_TRY(const auto document, runtime_->database->find_document_by_path(record.id, path));
    RAGTIME_CO_TRY_DONE(co_await runtime_->engine->remove_file(std::string(kLocalTenant), document.file_id, context));
    drop(document.sha256);
    co_return Result<void>();
  }

  Task<Result<rag::Answer>> ask(Question question, TextSink sink, RequestContext& context) override {
    rag::AnswerRequest request;
    request.model = question.model;
    request.messages.push_back({"user", question.text});
    RAGTIME_CO_TRY(const auto record, find_store(question.store));
    request.search.emplace();
    request.search->store_ids = {record.id};
    request.search->results = static_cast<std::size_t>(runtime_->configuration.retrieval.results);
    SinkEvents events(sink);
    co_return co_await runtime_->answerer->answer(std::move(request), events, context);
  }

  Task<Result<engine::SearchResults>> search(SearchQuestion question, RequestContext& context) override {
    engine::SearchRequest request;
    RAGTIME_CO_TRY(const auto record, find_store(question.store));
    request.store_ids = {record.id};
    request.queries = {question.text};
    request.results = question.results;
    co_return co_await runtime_->engine->search(std::move(request), context);
  }

 private:
  Result<storage::VectorStoreRecord> find_store(const std::string& name) {
    auto store = runtime_->database->find_store_by_name(kLocalTenant, name);
    if (store.has_value() || store.error().code != ErrorCode::not_found) return store;
    store = runtime_->database->get_store(kLocalTenant, name);
    if (store.has_error() && store.error().code == ErrorCode::not_found) {
      return make_error(
          ErrorCode::not_found,
          fmt::format("there is no store \"{}\" yet; `ragtime ingest PATH --store {}` makes it", name, name));
    }
    return store;
  }

  Result<storage::BlobInfo> copy_to_blobs(const fs::path& file) {
    std::error_code failure;
    const auto bytes = fs::file_size(file, failure);
    if (failure) return cannot_read(failure.message());
    if (bytes > static_cast<std::uintmax_t>(runtime_->configuration.limits.file_bytes_max)) {
      return make_error(ErrorCode::too_large, fmt::format("{} bytes are over limits.file_bytes_max ({})", bytes,
                                                          runtime_->configuration.limits.file_bytes_max));
    }
    std::ifstream in(file, std::ios::binary);
    if (!in) return cannot_read("permission denied");
    RAGTIME_TRY(auto writer, runtime_->blobs->create());
    std::string buffer(kReadBytes, '\0');
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
      RAGTIME_TRY_DONE(writer->write(std::string_view(buffer).substr(0, static_cast<std::size_t>(in.gcount()))));
    }
    if (in.bad()) return cannot_read("input/output error");
    return claims_.commit(*writer);
  }

  // The content of the document that a new version replaces, to be dropped when nothing else has it.
  std::string former_content(const std::string& store_id, const std::string& path) {
    auto document = runtime_->database->find_document_by_path(store_id, path);
    return document.has_value() ? document->sha256 : std::string();
  }

  void release(const std::string& sha256) { note_failure(claims_.release(sha256)); }
  void drop(const std::string& sha256) { note_failure(claims_.remove_if_unused(sha256)); }

  // Unused content that stays costs space only.
  void note_failure(const Result<void>& result) {
    if (result.has_error()) {
      runtime_->log.warning("blob_not_removed", {{"message", std::string_view(result.error().message)}});
    }
  }

  std::unique_ptr<Runtime> runtime_;
  api::BlobClaims claims_;
};

}  // namespace

Result<std::unique_ptr<Backend>> open_direct_backend(const Configuration& configuration, telemetry::Logger& log) {
  RAGTIME_TRY(auto runtime, Runtime::open(configuration, log));
  return std::unique_ptr<Backend>(std::make_unique<DirectBackend>(std::move(runtime)));
}

Result<std::unique_ptr<Backend>> open_backend(const Configuration& configuration, telemetry::Logger& log) {
  if (auto server = find_running_server(configuration.server.data_dir)) return make_remote_backend(std::move(*server));
  return open_direct_backend(configuration, log);
}

}  // namespace ragtime::server
