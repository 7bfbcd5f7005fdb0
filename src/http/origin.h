// Origin: what a client remembers about one scheme, host and port: learned time limits, its TLS session, how many
// connections may be in use, and the instruments of its pool.
//
// Thread safety: every member may be called from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include <openssl/ssl.h>

#include "async/semaphore.h"
#include "http/client.h"
#include "http/latency_limit.h"
#include "telemetry/metrics.h"

namespace ragtime::http {

class Origin {
 public:
  // `name` is "https://host:port"; `metrics` may be null.
  Origin(const std::string& name, const ClientConfig& config, telemetry::Metrics* metrics);

  std::chrono::milliseconds connect_limit() const;
  std::chrono::milliseconds first_byte_limit() const;  // 0: none.
  void connected(std::chrono::steady_clock::duration latency);
  void replied(std::chrono::steady_clock::duration latency);
  void missed_connect();
  void missed_reply();

  // A place among the connections in use; empty when there is no limit. Errors: as Semaphore::acquire().
  Task<Result<async::Semaphore::Permit>> acquire(RequestContext& context);

  // A TLS 1.3 session should serve once only, so it is taken out. The reference is the caller's; null: none.
  SSL_SESSION* take_session();
  void keep_session(SSL_SESSION* session);  // Takes the caller's reference over.

  void count_open(int change);
  void count_idle(int change);
  void count_reused();
  void count_created();

 private:
  struct Instruments {
    telemetry::Gauge* open = nullptr;
    telemetry::Gauge* idle = nullptr;
    telemetry::Counter* reused = nullptr;
    telemetry::Counter* created = nullptr;
    telemetry::Counter* waits = nullptr;
    telemetry::Gauge* connect_limit = nullptr;
    telemetry::Gauge* first_byte_limit = nullptr;
  };
  static Instruments make_instruments(const std::string& name, telemetry::Metrics* metrics);

  const Instruments instruments_;
  mutable std::mutex mutex_;
  LatencyLimit connect_;     // Guarded by mutex_.
  LatencyLimit first_byte_;  // Guarded by mutex_.
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session_{nullptr, SSL_SESSION_free};  // By mutex_.
  std::unique_ptr<async::Semaphore> in_use_;
};

}  // namespace ragtime::http
