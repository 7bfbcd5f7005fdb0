// UpstreamLog: what the scripted upstream was asked and how each request ended, for tests to look into.
//
// Keeps the last requests, counts all of them.
// Thread safety: every member may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "load/script.h"

namespace ragtime::load {

struct UpstreamRecord {
  enum class End : unsigned char {
    running,
    completed,  // Everything was sent, and the connection may go on.
    faulted,    // The script ended the connection.
    aborted,    // The client left before the end; `phase` says what it was waiting for.
  };

  std::uint64_t id = 0;  // From 1, in order of arrival.
  std::string method;
  std::string path;
  std::string model;
  std::string script;
  bool stream = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // The first bytes of it, as the log's limit says.
  std::uint64_t connection = 0;
  int status = 0;
  End end = End::running;
  Phase phase = Phase::queued;
  std::size_t steps_sent = 0;
  double start_ms = 0;  // Since the log began.
  double end_ms = 0;
};

std::string_view name(UpstreamRecord::End end);

struct UpstreamTotals {
  std::uint64_t connections = 0;
  std::uint64_t open_connections = 0;
  std::uint64_t requests = 0;
  std::uint64_t running = 0;
  std::uint64_t completed = 0;
  std::uint64_t faulted = 0;
  std::uint64_t aborted = 0;
  std::map<std::string, std::uint64_t> aborted_in;  // By phase.
  std::map<std::string, std::uint64_t> scripts;     // Requests by script.
};

class UpstreamLog {
 public:
  UpstreamLog(std::size_t records_max, std::size_t body_bytes_max)
      : records_max_(records_max), body_bytes_max_(body_bytes_max) {}

  void connection_opened();
  void connection_closed();
  // Returns the record's id. Health checks and the like are recorded as well.
  std::uint64_t begin(UpstreamRecord record);
  void end(std::uint64_t id, UpstreamRecord::End end, Phase phase, std::size_t steps_sent);
  void clear();

  UpstreamTotals totals() const;
  std::vector<UpstreamRecord> records() const;
  // The answers to POST requests alone: without health checks, metrics and model lists.
  std::vector<UpstreamRecord> calls() const;
  // Waits until `wanted` holds; false after the timeout.
  bool wait_for(const std::function<bool(const UpstreamTotals&)>& wanted,
                std::chrono::milliseconds timeout = std::chrono::seconds(10)) const;
  std::string to_json() const;

 private:
  double now_ms() const;

  const std::size_t records_max_;
  const std::size_t body_bytes_max_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  UpstreamTotals totals_;
  std::deque<UpstreamRecord> records_;
  std::uint64_t last_id_ = 0;
};

}  // namespace ragtime::load
