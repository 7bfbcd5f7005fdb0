#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "async/thread_pool.h"
#include "base/id.h"
#include "encoder/text_encoder.h"
#include "server/commands.h"
#include "server/data_directory.h"
#include "server/exit_code.h"
#include "server/json_text.h"
#include "server/model_hub.h"
#include "server/runtime.h"
#include "server/stop_signals.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path models_directory(const Invocation& invocation) {
  return fs::path(invocation.configuration.settings.server.data_dir) / "models";
}

// Creates the data directory when it is missing; a server that has it does not mind.
Result<fs::path> prepare_models_directory(const Invocation& invocation) {
  auto owned = DataDirectory::open(invocation.configuration.settings.server.data_dir);
  if (owned.has_error() && owned.error().code != ErrorCode::conflict) return owned.error();
  const fs::path directory = models_directory(invocation);
  std::error_code failure;
  fs::create_directories(directory, failure);
  if (failure) return make_error(ErrorCode::unavailable, directory.string() + ": " + failure.message());
  return directory;
}

std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t out = 0;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(directory, ignored)) {
    if (entry.is_regular_file(ignored)) out += entry.file_size(ignored);
  }
  return out;
}

json::object summary_object(const ModelSummary& model) {
  return {{"name", model.name},
          {"dimensions", model.dimensions},
          {"tokens_max", model.tokens_max},
          {"covers_cjk", model.covers_cjk},
          {"bytes", model.bytes},
          {"directory", model.directory.string()}};
}

// The models that load; a damaged one is listed with what is wrong.
struct ListedModel {
  ModelSummary summary;
  std::string problem;
};

std::vector<ListedModel> installed_models(const fs::path& directory) {
  async::ThreadPool pool({.name = "models", .threads = 1, .queue_max = 16});
  std::vector<ListedModel> out;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(directory, failure)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory(failure) || name.starts_with('.')) continue;
    ListedModel model;
    model.summary.name = name;
    model.summary.directory = entry.path();
    model.summary.bytes = bytes_in(entry.path());
    const auto embedder = encoder::open_embedder(entry.path(), name, pool);
    if (embedder.has_value()) {
      model.summary.dimensions = (*embedder)->info().dimensions;
      model.summary.tokens_max = (*embedder)->info().tokens_max;
      model.summary.covers_cjk = (*embedder)->info().covers_cjk;
    } else {
      model.problem = embedder.error().message;
    }
    out.push_back(std::move(model));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.summary.name < b.summary.name; });
  return out;
}

DownloadProgress show_download(Invocation& invocation) {
  return [&invocation, last = std::chrono::steady_clock::time_point()](std::uint64_t done, std::uint64_t total,
                                                                       std::string_view file) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (!invocation.err.interactive() || now - last < std::chrono::milliseconds(100)) return;
    last = now;
    invocation.err.write(fmt::format("\r\033[K{} of {}  {}", format_bytes(static_cast<double>(done)),
                                     total == 0 ? "?" : format_bytes(static_cast<double>(total)), file));
  };
}

Task<Result<ModelSummary>> download(HubDownload request, RequestContext& context) {
  http::Client client;
  auto adding = add_model_from_hub(std::move(request), client, context);
  co_return co_await std::move(adding);
}

Result<ModelSummary> add_from_hub(const ModelOptions& options, const fs::path& models, Invocation& invocation,
                                  RequestContext& context) {
  HubDownload request;
  request.name = options.what;
  request.models_directory = models;
  const auto endpoint = process_environment()("HF_ENDPOINT");
  if (endpoint && !endpoint->empty()) request.hub_url = *endpoint;
  if (!options.hub.empty()) request.hub_url = options.hub;
  request.progress = show_download(invocation);
  auto added = async::sync_wait(download(std::move(request), context));
  if (invocation.err.interactive()) invocation.err.write("\r\033[K");
  return added;
}

void explain_use(const ModelSummary& model, Invocation& invocation) {
  const auto& settings = invocation.configuration.settings;
  invocation.err.line(fmt::format("added {}: {} dimensions, {}", model.name, model.dimensions,
                                  format_bytes(static_cast<double>(model.bytes))));
  if (settings.encoder.model != model.name) {
    invocation.err.line(fmt::format("to use it, set  [encoder] model = \"{}\"  in ragtime.toml", model.name));
  }
  if (find_running_server(settings.server.data_dir)) invocation.err.line("restart the server to load it");
}

}  // namespace

int model_add_command(const ModelOptions& options, Invocation& invocation) {
  RequestContext context(make_id("req-"), std::string(kLocalTenant), Deadline::never());
  StopSignals signals([&context] { context.cancel(); });
  auto models = prepare_models_directory(invocation);
  if (models.has_error()) return fail(invocation, models.error().message, kExitUsage);
  auto added = fs::is_directory(options.what) ? add_model_directory(options.what, *models)
                                              : add_from_hub(options, *models, invocation, context);
  if (signals.received()) return kExitInterrupted;
  if (added.has_error()) return fail(invocation, added.error().message, kExitFailed);
  if (invocation.json) {
    invocation.out.line(pretty_json(summary_object(*added)));
  } else {
    explain_use(*added, invocation);
  }
  return kExitDone;
}

int model_list_command(Invocation& invocation) {
  const auto models = installed_models(models_directory(invocation));
  if (invocation.json) {
    json::array out;
    for (const auto& model : models) {
      json::object item = summary_object(model.summary);
      if (!model.problem.empty()) item["problem"] = model.problem;
      out.push_back(std::move(item));
    }
    invocation.out.line(pretty_json(out));
    return kExitDone;
  }
  if (models.empty()) {
    invocation.err.line(
        fmt::format("no models in {}; `ragtime model add sentence-transformers/{}` gets the default one",
                    models_directory(invocation).string(), kDefaultEncoderModel));
    return kExitDone;
  }
  Table table({"model", "dimensions", "tokens", "Chinese", "size", "used"});
  for (const auto& [model, problem] : models) {
    const bool used = model.name == invocation.configuration.settings.encoder.model;
    table.row({model.name, problem.empty() ? std::to_string(model.dimensions) : "damaged",
               problem.empty() ? std::to_string(model.tokens_max) : "", model.covers_cjk ? "yes" : "no",
               format_bytes(static_cast<double>(model.bytes)), used ? "yes" : ""});
  }
  table.print(invocation.out);
  return kExitDone;
}

int model_remove_command(const ModelOptions& options, Invocation& invocation) {
  const fs::path directory = models_directory(invocation) / options.what;
  const bool plain_name = fs::path(options.what).filename() == options.what && !options.what.starts_with('.');
  if (!plain_name || !fs::is_directory(directory)) {
    return fail(invocation, fmt::format("there is no model {}; see `ragtime model list`", options.what), kExitFailed);
  }
  std::error_code failure;
  fs::remove_all(directory, failure);
  if (failure) return fail(invocation, directory.string() + ": " + failure.message(), kExitFailed);
  invocation.err.line("removed " + options.what);
  return kExitDone;
}

}  // namespace ragtime::server
