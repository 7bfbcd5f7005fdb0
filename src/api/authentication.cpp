#include "api/authentication.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "api/event_socket.h"
#include "base/hash.h"
#include "http/websocket_handshake.h"

namespace ragtime::api {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string bearer_token(const http::Request& request) {
  const std::string_view field = request.headers.find("authorization").value_or("");
  if (field.size() < 7 || lower(field.substr(0, 7)) != "bearer ") return {};
  const std::size_t begin = field.find_first_not_of(' ', 7);
  if (begin == std::string_view::npos) return {};
  return std::string(field.substr(begin, field.find_last_not_of(' ') + 1 - begin));
}

// Takes the same time wherever the texts differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

bool allows(const storage::ApiKeyRecord& key, Scope scope) {
  return std::any_of(key.scopes.begin(), key.scopes.end(),
                     [&](const std::string& held) { return held == name(scope) || held == name(Scope::admin); });
}

Error forbidden(std::string message) {
  return make_error(ErrorCode::permission_denied, std::move(message));
}

std::string_view authority_of_origin(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

}  // namespace

std::string_view name(Scope scope) {
  switch (scope) {
    case Scope::none:
      return "none";
    case Scope::read:
      return "read";
    case Scope::write:
      return "write";
    case Scope::admin:
      return "admin";
  }
  return "none";
}

bool is_loopback_address(std::string_view address) {
  if (address.starts_with("::ffff:")) address.remove_prefix(7);
  if (address == "::1") return true;
  if (!address.starts_with("127.")) return false;
  const bool numeric = address.find_first_not_of("0123456789.") == std::string_view::npos;
  return numeric && std::count(address.begin(), address.end(), '.') == 3;
}

std::string host_name(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return {};
    return lower(authority.substr(1, end - 1));
  }
  return lower(authority.substr(0, authority.find(':')));
}

bool Authenticator::is_local_token(const http::Request& request, std::string_view token) const {
  return !env_.config.local_token.empty() && is_loopback_address(request.remote_address) &&
         equal_in_constant_time(token, env_.config.local_token);
}

bool Authenticator::is_own_name(std::string_view authority) const {
  const std::string host = host_name(authority);
  if (host == "localhost" || is_loopback_address(host)) return true;
  const auto& allowed = env_.config.allowed_hosts;
  return !host.empty() &&
         std::any_of(allowed.begin(), allowed.end(), [&](const std::string& each) { return host_name(each) == host; });
}

Result<void> Authenticator::check_local(const http::Request& request) const {
  if (!is_loopback_address(request.remote_address)) {
    return forbidden(
        "This server has no API key yet and answers callers on its own machine only. Create a key there with "
        "`ragtime key create --name NAME`.");
  }
  const std::string_view host = request.headers.find("host").value_or("");
  if (!is_own_name(host)) {
    return forbidden(fmt::format(
        "Host '{}' is not a name of this machine. Without an API key the server answers to localhost and its "
        "configured names only.",
        host));
  }
  return check_origin(request);
}

Result<void> Authenticator::check_origin(const http::Request& request) const {
  const auto origin = request.headers.find("origin");
  if (!origin || is_own_name(authority_of_origin(*origin))) return {};
  return forbidden(fmt::format("Origin '{}' is not one of server.allowed_hosts.", *origin));
}

std::optional<storage::ApiKeyRecord> Authenticator::cached(const std::string& hash) {
  const std::lock_guard lock(mutex_);
  const auto found = cache_.find(hash);
  if (found == cache_.end()) return std::nullopt;
  if (found->second.until > Steady::now()) return found->second.key;
  return std::nullopt;
}

std::optional<storage::ApiKeyRecord> Authenticator::lately_known(const std::string& hash) {
  const std::lock_guard lock(mutex_);
  const auto found = cache_.find(hash);
  if (found == cache_.end() || found->second.until + kKeyFailureSeconds <= Steady::now()) return std::nullopt;
  return found->second.key;
}

bool Authenticator::lately_keyless() {
  const std::lock_guard lock(mutex_);
  return Steady::now() < keyless_until_;
}

void Authenticator::note_keyless(bool keyless) {
  const std::lock_guard lock(mutex_);
  keyless_until_ = keyless ? Steady::now() + kKeyFailureSeconds : Steady::time_point();
}

void Authenticator::forget(const std::string& hash) {
  const std::lock_guard lock(mutex_);
  cache_.erase(hash);
}

void Authenticator::remember(const std::string& hash, const storage::ApiKeyRecord& key) {
  const std::lock_guard lock(mutex_);
  if (cache_.size() >= kKeyCacheEntriesMax) cache_.clear();
  cache_.insert_or_assign(hash, CachedKey{key, Steady::now() + kKeyCacheSeconds});
}

// Nothing for an unknown key. The error not_found says that no key exists at all: local mode.
Task<Result<std::optional<storage::ApiKeyRecord>>> Authenticator::find_key(std::string hash, RequestContext& context) {
  using Found = std::optional<storage::ApiKeyRecord>;
  if (Found known = cached(hash)) co_return known;
  storage::Database& database = env_.database;
  const auto look_up = [&database, &hash]() -> Result<Found> {
    RAGTIME_TRY(const bool any, database.any_key());
    if (!any) return make_error(ErrorCode::not_found, "no key exists");
    if (hash.empty()) return Found();
    auto key = database.find_key(hash);
    if (key.has_error() && key.error().code == ErrorCode::not_found) return Found();
    if (key.has_error()) return key.error();
    return Found(std::move(*key));
  };
  auto looked_up = co_await env_.look_up(context, look_up);
  if (looked_up.has_error() && is_database_failure(looked_up.error())) {
    if (Found known = lately_known(hash)) co_return known;
    if (lately_keyless()) co_return make_error(ErrorCode::not_found, "no key existed a moment ago");
  }
  note_keyless(looked_up.has_error() && looked_up.error().code == ErrorCode::not_found);
  if (looked_up.has_error()) co_return std::move(looked_up).error();
  Found found = std::move(*looked_up);
  if (found) {
    remember(hash, *found);
  } else {
    forget(hash);
  }
  co_return found;
}

Task<Result<Caller>> Authenticator::authenticate(const http::Request& request, Scope scope, RequestContext& context) {
  Caller caller;
  if (scope == Scope::none) co_return caller;
  caller.tenant = kLocalTenant;
  std::string token = bearer_token(request);
  if (http::asks_for_websocket(request)) {
    RAGTIME_CO_TRY_DONE(check_origin(request));
    if (token.empty()) token = key_of_subprotocols(request.headers);
  }
  if (!token.empty() && is_local_token(request, token)) {
    context.set_tenant(caller.tenant);
    caller.unmetered = true;
    co_return caller;
  }
  std::string hash = token.empty() ? std::string() : sha256_hex(token);
  auto key = co_await find_key(std::move(hash), context);
  if (key.has_error() && key.error().code == ErrorCode::not_found) {
    context.set_tenant(caller.tenant);
    RAGTIME_CO_TRY_DONE(check_local(request));
    co_return caller;
  }
  if (key.has_error()) co_return key.error();
  if (!key->has_value()) {
    co_return make_error(ErrorCode::unauthenticated,
                         token.empty() ? "No API key was sent. Send one in the header 'Authorization: Bearer KEY'."
                                       : "Incorrect API key. It is unknown or has been revoked.");
  }
  if (!allows(**key, scope)) {
    co_return forbidden(fmt::format("This API key lacks the scope '{}' that this route needs.", name(scope)));
  }
  context.set_tenant((*key)->tenant);
  caller.key_id = (*key)->id;
  caller.tenant = (*key)->tenant;
  caller.limits = (*key)->limits;
  co_return caller;
}

}  // namespace ragtime::api
