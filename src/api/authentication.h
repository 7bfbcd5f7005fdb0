// Who may call: keys with scopes and tenants, or the local mode while no key exists.
//
// Local mode answers loopback peers only and checks Host and Origin, so that no web page in a browser on the same
// machine can reach the server under a foreign name. WebSockets, to which browsers apply no same-origin rule, have
// their Origin checked always; their key may come as a subprotocol (event_socket.h). A looked-up key is remembered for
// kKeyCacheSeconds: a revoked one works at most that long, or kKeyFailureSeconds more while the database fails. Whether
// any key exists is asked each time, so that the first key acts at once; local mode, too, goes on for kKeyFailureSeconds
// while the database fails.
// Thread safety: every member may be called from any thread.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/environment.h"
#include "api/limits.h"
#include "storage/records.h"

namespace ragtime::api {

enum class Scope { none, read, write, admin };
std::string_view name(Scope scope);

inline constexpr std::chrono::seconds kKeyCacheSeconds{3};
inline constexpr std::chrono::seconds kKeyFailureSeconds{60};
inline constexpr std::size_t kKeyCacheEntriesMax = 1024;
inline constexpr std::string_view kLocalTenant = "default";

// "127.0.0.1", "::1", "::ffff:127.0.0.1" and the rest of 127/8.
bool is_loopback_address(std::string_view address);
// The name in "name:port", "[::1]:port", lower case and without brackets.
std::string host_name(std::string_view authority);

class Authenticator {
 public:
  explicit Authenticator(Environment& env) : env_(env) {}

  // Sets the context's tenant. Errors: unauthenticated, permission_denied; those of the database (then only those enter who
  // did a minute ago).
  Task<Result<Caller>> authenticate(const http::Request& request, Scope scope, RequestContext& context);

 private:
  using Steady = std::chrono::steady_clock;
  struct CachedKey {
    storage::ApiKeyRecord key;
    Steady::time_point until;
  };

  bool is_local_token(const http::Request& request, std::string_view token) const;
  Result<void> check_local(const http::Request& request) const;
  Result<void> check_origin(const http::Request& request) const;
  bool is_own_name(std::string_view host) const;
  Task<Result<std::optional<storage::ApiKeyRecord>>> find_key(std::string hash, RequestContext& context);
  std::optional<storage::ApiKeyRecord> cached(const std::string& hash);
  // As cached(), also some time after its end: for when the database fails.
  std::optional<storage::ApiKeyRecord> lately_known(const std::string& hash);
  // Whether no key existed, a minute ago at most.
  bool lately_keyless();
  void note_keyless(bool keyless);
  void forget(const std::string& hash);
  void remember(const std::string& hash, const storage::ApiKeyRecord& key);

  Environment& env_;
  std::mutex mutex_;
  std::map<std::string, CachedKey> cache_;  // By hash; guarded by mutex_.
  Steady::time_point keyless_until_{};       // Guarded by mutex_.
};

}  // namespace ragtime::api
