// Backend: what `ragtime ingest`, `ask` and `search` work on: the running server of the data directory, or the
// directory itself when no server runs.
//
// Thread safety: belongs to one event loop, on which it must also be destroyed: its connections live there.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "engine/engine.h"
#include "rag/answer.h"
#include "rag/ingest.h"
#include "server/configuration.h"
#include "server/data_directory.h"
#include "telemetry/log.h"

namespace ragtime::server {

struct StoredDocument {
  std::string path;
  std::string file_id;
  std::string sha256;
  bool current = true;  // Putting the same content again would change nothing.
};

struct Question {
  std::string text;
  std::string store;
  std::string model;  // Empty: the default.
};

struct SearchQuestion {
  std::string text;
  std::string store;
  std::size_t results = 10;
};

using TextSink = std::function<void(std::string_view delta)>;

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string where() const = 0;   // "the server at http://…" or "the data directory …".
  virtual std::string notice() const = 0;  // Something the user should know, one line, or empty.

  // Documents of `ragtime ingest` whose path begins with `prefix`; none when there is no such store yet.
  virtual Task<Result<std::vector<StoredDocument>>> list_documents(std::string store, std::string prefix,
                                                                   RequestContext& context) = 0;
  // Creates the store when it is missing.
  virtual Task<Result<void>> ensure_store(std::string store, RequestContext& context) = 0;
  // Takes the file's present content into an existing store.
  virtual Task<Result<rag::IngestResult>> put_document(std::string store, std::filesystem::path file,
                                                       RequestContext& context) = 0;
  virtual Task<Result<void>> remove_document(std::string store, std::string path, RequestContext& context) = 0;

  // The text as it comes, then the whole. Stages are in the context's timings.
  virtual Task<Result<rag::Answer>> ask(Question question, TextSink sink, RequestContext& context) = 0;
  virtual Task<Result<engine::SearchResults>> search(SearchQuestion question, RequestContext& context) = 0;
};

// `log` outlives the backend. Errors: those of Runtime::open.
Result<std::unique_ptr<Backend>> open_direct_backend(const Configuration& configuration, telemetry::Logger& log);
std::unique_ptr<Backend> make_remote_backend(ServerDescription server);

// The remote one when a server runs on the configured data directory.
Result<std::unique_ptr<Backend>> open_backend(const Configuration& configuration, telemetry::Logger& log);

}  // namespace ragtime::server
