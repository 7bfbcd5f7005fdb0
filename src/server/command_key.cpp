#include <optional>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"
#include "base/id.h"
#include "server/commands.h"
#include "server/data_directory.h"
#include "server/exit_code.h"
#include "server/json_text.h"
#include "server/runtime.h"
#include "storage/database.h"

namespace ragtime::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kKeyChars = 40;
constexpr std::size_t kPrefixChars = 8;

// The database of the data directory. A running server keeps the directory; its database takes further processes.
struct KeyDatabase {
  std::optional<DataDirectory> directory;
  std::unique_ptr<storage::Database> database;
};

Result<KeyDatabase> open_keys(const Configuration& configuration) {
  KeyDatabase out;
  const std::filesystem::path path = configuration.server.data_dir;
  auto directory = DataDirectory::open(path);
  if (directory.has_value()) {
    out.directory.emplace(std::move(*directory));
  } else if (directory.error().code != ErrorCode::conflict) {
    return directory.error();
  }
  RAGTIME_TRY(out.database, storage::open_sqlite(path / "ragtime.db"));
  return out;
}

std::string day(std::int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::localtime(static_cast<std::time_t>(unix_seconds)));
}

json::value count_or_null(const std::optional<std::int64_t>& count) {
  if (!count) return nullptr;
  return *count;
}

std::string priority_of(const storage::ApiKeyRecord& key) {
  return key.limits.priority.empty() ? "normal" : key.limits.priority;
}

json::object limits_object(const storage::ApiKeyRecord& key) {
  return {{"requests_per_minute", count_or_null(key.limits.requests_per_minute)},
          {"tokens_per_minute", count_or_null(key.limits.tokens_per_minute)},
          {"streams", count_or_null(key.limits.streams)},
          {"concurrent_requests", count_or_null(key.limits.concurrent_requests)},
          {"priority", priority_of(key)}};
}

// "60 rpm, 2 streams, high"; empty when everything is as configured.
std::string limits_text(const storage::ApiKeyRecord& key) {
  std::vector<std::string> parts;
  const auto add = [&](const std::optional<std::int64_t>& count, std::string_view unit) {
    if (count) parts.push_back(*count == 0 ? fmt::format("any {}", unit) : fmt::format("{} {}", *count, unit));
  };
  add(key.limits.requests_per_minute, "rpm");
  add(key.limits.tokens_per_minute, "tpm");
  add(key.limits.streams, "streams");
  add(key.limits.concurrent_requests, "at a time");
  if (priority_of(key) != "normal") parts.push_back(priority_of(key));
  return fmt::format("{}", fmt::join(parts, ", "));
}

json::object key_object(const storage::ApiKeyRecord& key) {
  json::object out{{"id", key.id}, {"name", key.name}, {"tenant", key.tenant}, {"prefix", key.prefix}};
  out["scopes"] = json::array(key.scopes.begin(), key.scopes.end());
  out["limits"] = limits_object(key);
  out["created_at"] = key.created_at;
  out["revoked_at"] = key.revoked_at ? json::value(*key.revoked_at) : json::value(nullptr);
  return out;
}

storage::ApiKeyRecord make_record(const KeyOptions& options, const std::string& secret) {
  storage::ApiKeyRecord out;
  out.id = make_id("key_");
  out.name = options.name;
  out.tenant = options.tenant.empty() ? std::string(kLocalTenant) : options.tenant;
  out.hash = sha256_hex(secret);
  out.prefix = secret.substr(0, kPrefixChars);
  out.scopes = options.scopes.empty() ? std::vector<std::string>{"read", "write"} : options.scopes;
  out.limits = options.limits;
  out.created_at = SystemClock().unix_seconds();
  return out;
}

}  // namespace

int key_create_command(const KeyOptions& options, Invocation& invocation) {
  auto keys = open_keys(invocation.configuration.settings);
  if (keys.has_error()) return fail(invocation, keys.error().message, kExitUsage);
  const std::string secret = "rt-" + random_alphanumeric(kKeyChars);
  const auto record = make_record(options, secret);
  if (auto inserted = keys->database->insert_key(record); inserted.has_error()) {
    return fail(invocation, inserted.error().message, kExitFailed);
  }
  if (invocation.json) {
    json::object out = key_object(record);
    out["key"] = secret;
    invocation.out.line(pretty_json(out));
    return kExitDone;
  }
  invocation.out.line(secret);
  invocation.err.line(fmt::format("{} for {} (tenant {}, {}); it is not shown again", record.id, record.name,
                                  record.tenant, fmt::join(record.scopes, ", ")));
  return kExitDone;
}

int key_list_command(Invocation& invocation) {
  auto keys = open_keys(invocation.configuration.settings);
  if (keys.has_error()) return fail(invocation, keys.error().message, kExitUsage);
  auto records = keys->database->list_keys();
  if (records.has_error()) return fail(invocation, records.error().message, kExitFailed);
  if (invocation.json) {
    json::array out;
    for (const auto& key : *records) out.push_back(key_object(key));
    invocation.out.line(pretty_json(out));
    return kExitDone;
  }
  if (records->empty()) invocation.err.line("no keys: only programs on this machine may call the server");
  Table table({"id", "name", "begins", "tenant", "scopes", "limits", "created", "revoked"});
  for (const auto& key : *records) {
    table.row({key.id, key.name, key.prefix + "…", key.tenant, fmt::format("{}", fmt::join(key.scopes, ",")),
               limits_text(key), day(key.created_at), key.revoked_at ? day(*key.revoked_at) : ""});
  }
  if (!table.empty()) table.print(invocation.out);
  return kExitDone;
}

int key_revoke_command(const KeyOptions& options, Invocation& invocation) {
  auto keys = open_keys(invocation.configuration.settings);
  if (keys.has_error()) return fail(invocation, keys.error().message, kExitUsage);
  auto revoked = keys->database->revoke_key(options.id, SystemClock().unix_seconds());
  if (revoked.has_error() && revoked.error().code == ErrorCode::not_found) {
    return fail(invocation, fmt::format("there is no key {}; see `ragtime key list`", options.id), kExitFailed);
  }
  if (revoked.has_error()) return fail(invocation, revoked.error().message, kExitFailed);
  invocation.err.line("revoked");
  return kExitDone;
}

}  // namespace ragtime::server
