#include "server/doctor.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "async/when_all.h"
#include "base/id.h"
#include "encoder/text_encoder.h"
#include "index/snapshot.h"
#include "index/vector_index.h"
#include "server/configuration_fields.h"
#include "server/encoder_lookup.h"
#include "server/json_text.h"
#include "server/module_settings.h"
#include "server/version.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

constexpr double kDiskLow = 2e9;
constexpr double kDiskOut = 2e8;
constexpr double kMemoryLow = 5e8;
constexpr std::size_t kStoresDescribedMax = 20;
constexpr auto kEndpointTimeout = std::chrono::seconds(5);
// A quick_check reads the whole file; the status route leaves bigger ones to `ragtime doctor`.
constexpr std::uintmax_t kStatusDatabaseBytesMax = 256u << 20;

Check check_configuration(const std::string& file, const Configuration& configuration) {
  Check out{"configuration", CheckState::ok, file.empty() ? "defaults (no ragtime.toml here)" : file, ""};
  const auto idle = settings_without_effect(configuration);
  if (idle.empty()) return out;
  out.state = CheckState::warning;
  out.advice = idle.front() + (idle.size() > 1 ? fmt::format(" (and {} more)", idle.size() - 1) : "");
  return out;
}

fs::path nearest_existing(const fs::path& path) {
  std::error_code ignored;
  fs::path at = fs::absolute(path).lexically_normal();
  while (!fs::exists(at, ignored) && at.has_relative_path()) at = at.parent_path();
  return at;
}

Check check_data_directory(const fs::path& directory, const std::optional<ServerDescription>& server) {
  Check out{"data directory", CheckState::ok, fs::absolute(directory).lexically_normal().string(), ""};
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) {
    const fs::path parent = nearest_existing(directory);
    const bool possible = fs::is_directory(parent) && ::access(parent.c_str(), W_OK | X_OK) == 0;
    if (possible) {
      out.detail += " (does not exist yet; made at the first use)";
    } else {
      out.state = CheckState::broken;
      out.detail += fmt::format(": cannot be made in {}", parent.string());
      out.advice = "choose another with --data-dir";
    }
    return out;
  }
  if (!S_ISDIR(status.st_mode) || ::access(directory.c_str(), W_OK | X_OK) != 0) {
    out.state = CheckState::broken;
    out.detail += S_ISDIR(status.st_mode) ? ": not writable" : ": not a directory";
    out.advice = "give it to the user that runs ragtime, or choose another with --data-dir";
  } else if ((status.st_mode & 077) != 0) {
    out.state = CheckState::warning;
    out.advice = fmt::format("others may enter it: chmod 700 {}", directory.string());
  }
  if (server) out.detail += fmt::format(", served by process {}", server->pid);
  return out;
}

Check check_disk(fs::path directory) {
  directory = nearest_existing(directory);
  struct statvfs status {};
  if (::statvfs(directory.c_str(), &status) != 0) return {"disk space", CheckState::warning, std::strerror(errno), ""};
  const double available = static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
  Check out{"disk space", CheckState::ok, format_bytes(available) + " free", ""};
  if (available < kDiskLow) out.state = available < kDiskOut ? CheckState::broken : CheckState::warning;
  if (out.state != CheckState::ok) out.advice = "make room on " + directory.string();
  return out;
}

Check check_database(const fs::path& file, bool whole) {
  std::error_code failure, no_log;
  auto bytes = fs::file_size(file, failure);
  if (failure) return {"database", CheckState::ok, "none yet", ""};
  // What is not yet moved into the file itself.
  if (const auto log_bytes = fs::file_size(file.string() + "-wal", no_log); !no_log) bytes += log_bytes;
  Check out{"database", CheckState::ok, format_bytes(static_cast<double>(bytes)), ""};
  if (!whole && bytes > kStatusDatabaseBytesMax) {
    out.detail += ", integrity not checked here";
    return out;
  }
  const auto checked = storage::check_sqlite(file);
  if (checked.has_value()) {
    out.detail += ", integrity ok";
  } else {
    out.state = CheckState::broken;
    out.detail += ": " + checked.error().message;
    out.advice = "stop the server and restore ragtime.db and files/ from a backup";
  }
  return out;
}

Check describe_encoder(const encoder::EmbedderInfo& info) {
  return {"embedding model", CheckState::ok, fmt::format("{}, {} dimensions", info.model, info.dimensions), ""};
}

Check no_encoder(const std::string& notice) {
  if (notice.empty()) return {"embedding model", CheckState::ok, "none wanted: search by words only", ""};
  return {"embedding model", CheckState::warning, "none: search by words only",
          fmt::format("ragtime model add sentence-transformers/{}", kDefaultEncoderModel)};
}

Check check_encoder(const Configuration& configuration) {
  for (const auto& model : configuration.models) {
    if (model.task != "embedding" || model.name != configuration.encoder.model) continue;
    return {"embedding model", CheckState::ok,
            fmt::format("{}, {} dimensions, at {}", model.name, model.dimensions, embedder_fingerprint(model)), ""};
  }
  auto found = find_encoder(configuration.encoder, fs::path(configuration.server.data_dir) / "models");
  if (found.has_error()) return {"embedding model", CheckState::broken, found.error().message, ""};
  if (!found->directory) return no_encoder(found->notice);
  async::ThreadPool pool({.name = "doctor", .threads = 1, .queue_max = 16});
  auto embedder = encoder::open_embedder(*found->directory, found->name, pool);
  if (embedder.has_value()) return describe_encoder((*embedder)->info());
  return {"embedding model", CheckState::broken, embedder.error().message, "add it again with `ragtime model add`"};
}

Check check_pdftotext(const Environment& environment) {
  const std::string path = environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string program = path.substr(begin, end - begin) + "/pdftotext";
    if (::access(program.c_str(), X_OK) == 0) return {"pdftotext", CheckState::ok, program, ""};
    begin = end + 1;
  }
  return {"pdftotext", CheckState::broken, "not found: PDF files cannot be read", "apt-get install poppler-utils"};
}

Task<std::string> endpoint_problem(llm::EndpointConfig endpoint) {
  http::Client client;
  RequestContext context(make_id("req-"), std::string(kLocalTenant), Deadline::after(kEndpointTimeout));
  http::ClientRequest request;
  request.url = endpoint.url + (endpoint.url.ends_with('/') ? "models" : "/models");
  if (!endpoint.api_key.empty()) request.headers.set("authorization", "Bearer " + endpoint.api_key);
  auto sent = client.send(std::move(request), context);
  auto reply = co_await std::move(sent);
  if (reply.has_error()) co_return reply.error().message;
  if (reply->status == 401 || reply->status == 403) co_return std::string("refuses the api_key");
  if (reply->status >= 500) co_return fmt::format("answers with status {}", reply->status);
  co_return std::string();
}

Task<Result<std::vector<llm::EndpointConfig>>> list_once(llm::EndpointSource& source) {
  RequestContext context(make_id("req-"), std::string(kLocalTenant), Deadline::after(kEndpointTimeout));
  co_return co_await source.list(context);
}

// The listed endpoints and those that discovery finds now.
Result<std::vector<llm::EndpointConfig>> find_endpoints(const ModelSettings& model) {
  std::vector<llm::EndpointConfig> out = endpoint_configs(model);
  async::ThreadPool blocking({.name = "doctor", .threads = 1, .queue_max = 16});
  const auto source = endpoint_source(model, blocking);
  if (!source) return out;
  RAGTIME_TRY(const auto found, async::sync_wait(list_once(*source)));
  out.insert(out.end(), found.begin(), found.end());
  return out;
}

// One line for a model; it is broken when no endpoint answers.
Check check_model_endpoints(const ModelSettings& model) {
  Check out{fmt::format("{} model {}", model.task, model.name), CheckState::ok, "", ""};
  const auto endpoints = find_endpoints(model);
  if (endpoints.has_error() || endpoints->empty()) {
    out.state = CheckState::broken;
    out.detail = endpoints.has_error() ? endpoints.error().message : "no endpoint found";
    out.advice = "see discovery of this model in [[models]]";
    return out;
  }
  std::vector<Task<std::string>> tasks;
  for (const auto& endpoint : *endpoints) tasks.push_back(endpoint_problem(endpoint));
  const auto problems = async::sync_wait(async::when_all(std::move(tasks)));
  std::size_t answering = 0;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const auto& url = (*endpoints)[i].url;
    answering += problems[i].empty();
    out.detail += (i == 0 ? "" : ", ") + url + (problems[i].empty() ? "" : ": " + problems[i]);
  }
  if (answering == problems.size()) return out;
  out.state = answering == 0 ? CheckState::broken : CheckState::warning;
  out.advice = "start it, or correct the url in [[models]]";
  return out;
}

std::vector<Check> check_endpoints(const Configuration& configuration) {
  std::vector<Check> out;
  for (const ModelSettings& model : configuration.models) {
    if (model.task == "chat") out.push_back(check_model_endpoints(model));
  }
  if (out.empty()) out.push_back({"chat model", CheckState::ok, "none configured: answers by ragtime-extractive", ""});
  for (const ModelSettings& model : configuration.models) {
    if (model.task != "chat" && is_remote(model)) out.push_back(check_model_endpoints(model));
  }
  return out;
}

// What the running server's pool knows, without asking anybody.
Check check_pool(const llm::PoolStatus& pool) {
  Check out{fmt::format("pool {}", pool.model), CheckState::ok, "", ""};
  std::size_t closed = 0;
  for (const auto& endpoint : pool.endpoints) closed += endpoint.state == llm::HealthState::closed;
  out.detail = fmt::format("{} of {} endpoints take requests, {} in flight, {} waiting", closed, pool.endpoints.size(),
                           pool.in_flight, pool.waiting);
  if (closed == pool.endpoints.size() && closed > 0) return out;
  out.state = closed == 0 ? CheckState::broken : CheckState::warning;
  for (const auto& endpoint : pool.endpoints) {
    if (endpoint.state == llm::HealthState::closed) continue;
    out.advice += fmt::format("{}{} is {}", out.advice.empty() ? "" : ", ", endpoint.url, llm::name(endpoint.state));
  }
  return out;
}

// Whether the port can be bound now; only loopback and wildcard addresses matter enough to try.
bool port_is_free(const ListenAddress& listen) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return true;
  const int reuse = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(listen.port);
  address.sin_addr.s_addr = htonl(listen.loopback ? INADDR_LOOPBACK : INADDR_ANY);
  const bool free = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(socket);
  return free;
}

Check check_port(const std::string& listen_text, const std::optional<ServerDescription>& server) {
  if (server) return {"address", CheckState::ok, server->url + ", our server", ""};
  const auto listen = parse_listen(listen_text);
  if (listen.has_error()) return {"address", CheckState::broken, listen.error().message, ""};
  if (port_is_free(*listen)) return {"address", CheckState::ok, listen_text + " is free", ""};
  return {"address", CheckState::broken, listen_text + " is in use by another program",
          "stop it, or choose another with --listen"};
}

Check check_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  for (double kilobytes = 0; in >> key >> kilobytes >> unit;) {
    if (key != "MemAvailable:") continue;
    const double bytes = kilobytes * 1024;
    const bool low = bytes < kMemoryLow;
    return {"memory", low ? CheckState::warning : CheckState::ok, format_bytes(bytes) + " available",
            low ? "close other programs, or give the machine more" : ""};
  }
  return {"memory", CheckState::ok, "unknown", ""};
}

// What the indexes of a store are, for those that are worth a line.
std::string describe_index(const engine::IndexReport& report) {
  if (!report.vectors) return "words only";
  const auto& vectors = *report.vectors;
  std::string out = fmt::format("{} ({}", index::vector_kind_name(vectors.kind),
                                format_bytes(static_cast<double>(vectors.bytes + report.lexical.bytes)));
  if (vectors.file_bytes > 0) {
    out += fmt::format(", {} in a file", format_bytes(static_cast<double>(vectors.file_bytes)));
  }
  out += ")";
  if (!vectors.reason.empty()) out += ": " + vectors.reason;
  return out;
}

std::vector<Check> check_indexes(Runtime& runtime) {
  const auto statistics = runtime.engine->statistics();
  std::vector<Check> out;
  out.push_back(
      {"index", CheckState::ok,
       fmt::format("{} stores, {} chunks, {} vectors, {} documents waiting", statistics.stores,
                   format_count(statistics.chunks), format_count(statistics.vectors), runtime.ingestor->pending()),
       ""});
  const auto stores = runtime.database->all_stores();
  if (stores.has_error()) return out;
  for (const auto& store : *stores) {
    if (out.size() > kStoresDescribedMax) break;
    const auto report = runtime.engine->index_report(store.id);
    if (report.chunks == 0) continue;
    out.push_back({fmt::format("index of {}", store.name.empty() ? store.id : store.name), CheckState::ok,
                   fmt::format("{} chunks, {}", format_count(report.chunks), describe_index(report)), ""});
  }
  return out;
}

// Reads every snapshot whole.
Check check_snapshots(const fs::path& directory) {
  Check out{"index snapshots", CheckState::ok, "none", ""};
  std::size_t files = 0;
  double bytes = 0;
  std::error_code failure;
  fs::recursive_directory_iterator entries(directory, failure);
  for (; !failure && entries != fs::recursive_directory_iterator(); entries.increment(failure)) {
    if (entries->path().extension() != ".snapshot") continue;
    const auto opened = index::SnapshotReader::open(entries->path());
    if (opened.has_error() && opened.error().code != ErrorCode::not_found) {
      out.state = CheckState::warning;
      out.advice = opened.error().message + "; the next start rebuilds it from the database";
      continue;
    }
    std::error_code gone;
    const auto size = fs::file_size(entries->path(), gone);
    if (!gone) bytes += static_cast<double>(size);
    ++files;
  }
  if (files > 0) out.detail = fmt::format("{} files, {}", files, format_bytes(bytes));
  return out;
}

std::string_view name(CheckState state) {
  switch (state) {
    case CheckState::ok:
      return "ok";
    case CheckState::warning:
      return "warning";
    case CheckState::broken:
      return "broken";
  }
  return "broken";
}

}  // namespace

bool Report::broken() const {
  return std::any_of(checks.begin(), checks.end(), [](const auto& c) { return c.state == CheckState::broken; });
}

Report examine(const LoadedConfiguration& loaded) {
  const Configuration& configuration = loaded.settings;
  const fs::path directory = configuration.server.data_dir;
  const auto server = find_running_server(directory);
  Report out;
  out.checks = {check_configuration(loaded.file, configuration),
                check_data_directory(directory, server),
                check_disk(directory),
                check_database(directory / "ragtime.db", true),
                check_snapshots(directory / "index"),
                check_encoder(configuration),
                check_pdftotext(process_environment())};
  for (auto& check : check_endpoints(configuration)) out.checks.push_back(std::move(check));
  out.checks.push_back(check_port(configuration.server.listen, server));
  out.checks.push_back(check_memory());
  return out;
}

Report examine(Runtime& runtime) {
  const fs::path& directory = runtime.data_directory.path();
  Report out;
  out.checks = {check_configuration("as started", runtime.configuration),
                check_data_directory(directory, find_running_server(directory)),
                check_disk(directory),
                check_database(runtime.data_directory.database_file(), false),
                runtime.embedder ? describe_encoder(runtime.embedder->info()) : no_encoder(runtime.encoder_notice),
                check_pdftotext(process_environment())};
  for (auto& check : check_endpoints(runtime.configuration)) out.checks.push_back(std::move(check));
  out.pools = runtime.pools->status();
  for (const auto& pool : out.pools) out.checks.push_back(check_pool(pool));
  for (auto& check : check_indexes(runtime)) out.checks.push_back(std::move(check));
  out.checks.push_back(check_memory());
  return out;
}

namespace {

namespace json = boost::json;

json::value known_or_null(const std::optional<double>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::object endpoint_object(const llm::EndpointStatus& endpoint) {
  json::object out{{"url", endpoint.url},
                   {"model", endpoint.model},
                   {"weight", endpoint.weight},
                   {"state", llm::name(endpoint.state)},
                   {"rests_for_ms", endpoint.rests_for.count()},
                   {"in_flight", endpoint.in_flight},
                   {"tokens_in_flight", endpoint.tokens_in_flight},
                   {"limit", endpoint.limit},
                   {"requests", endpoint.taken},
                   {"completed", endpoint.outcomes[0]},
                   {"failed", endpoint.outcomes[1]},
                   {"overloaded", endpoint.outcomes[2]},
                   {"ignored", endpoint.outcomes[3]},
                   {"ejections", endpoint.ejections}};
  if (!endpoint.sample) return out;
  out["reported"] = json::object{{"running", known_or_null(endpoint.sample->running)},
                                 {"waiting", known_or_null(endpoint.sample->waiting)},
                                 {"cache_use", known_or_null(endpoint.sample->cache_use)},
                                 {"age_ms", endpoint.sample_age.count()}};
  return out;
}

json::array pools_array(const std::vector<llm::PoolStatus>& pools) {
  json::array out;
  for (const auto& pool : pools) {
    json::array endpoints;
    for (const auto& endpoint : pool.endpoints) endpoints.push_back(endpoint_object(endpoint));
    json::object item{{"model", pool.model}, {"in_flight", pool.in_flight}, {"waiting", pool.waiting}};
    item["endpoints"] = std::move(endpoints);
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

std::string report_json(const Report& report) {
  json::array checks;
  for (const auto& check : report.checks) {
    json::object item{{"name", check.name}, {"state", name(check.state)}, {"detail", check.detail}};
    if (!check.advice.empty()) item["advice"] = check.advice;
    checks.push_back(std::move(item));
  }
  json::object out{{"version", version()}, {"status", report.broken() ? "broken" : "ok"}};
  out["checks"] = std::move(checks);
  if (!report.pools.empty()) out["pools"] = pools_array(report.pools);
  return pretty_json(out) + "\n";
}

void print_report(const Report& report, Terminal& terminal) {
  std::size_t width = 0;
  for (const auto& check : report.checks) width = std::max(width, display_width(check.name));
  for (const auto& check : report.checks) {
    const Style style = check.state == CheckState::ok        ? Style::green
                        : check.state == CheckState::warning ? Style::yellow
                                                             : Style::red;
    const std::string padding(width - display_width(check.name), ' ');
    terminal.line(fmt::format("{}  {}{}  {}", terminal.styled(style, fmt::format("{:7}", name(check.state))),
                              check.name, padding, check.detail));
    if (!check.advice.empty()) {
      terminal.line(fmt::format("{}  → {}", std::string(7 + 2 + width, ' '), check.advice));
    }
  }
}

}  // namespace ragtime::server
