// The parts of ScriptedUpstream that its connections share. Internal.
//
// Thread safety: `shared` values are guarded by their mutex; everything else belongs to the upstream's loop.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"
#include "async/task_group.h"
#include "load/scripted_upstream.h"

namespace ragtime::load {

class UpstreamSession;

struct ScriptedUpstream::State {
  explicit State(UpstreamConfig config_value);

  Result<void> bind();
  Task<> live();
  Task<> accept_connections();
  Task<> serve(asio::ip::tcp::socket socket);
  bool resets_connections();
  void refuse_for(std::chrono::microseconds time);

  // Which script a request gets; stateful ones are decided here.
  ScriptSpec choose_script(const ScriptRequest& request, std::optional<std::string_view> header);
  std::optional<ScriptSpec> forced_script(std::optional<std::string_view> header);
  ScriptSpec decide(ScriptSpec spec);
  // A reply that was made before, in the instant mode.
  std::shared_ptr<const Reply> cached_reply(const ScriptSpec& spec, const ScriptRequest& request);
  std::string metrics_text();
  void wake_waiting();

  const UpstreamConfig config;
  UpstreamLog log;
  EngineModel engine;
  std::uint16_t bound_port = 0;

  std::mutex mutex;
  std::string script;                // Guarded by mutex.
  std::deque<std::string> queued;    // Guarded by mutex.
  int health = 200;                  // Guarded by mutex.
  std::string metrics_mode;          // Guarded by mutex.
  std::optional<std::string> frozen_metrics;  // Guarded by mutex.

  asio::io_context loop{1};
  std::optional<asio::ip::tcp::acceptor> acceptor;
  async::TaskGroup tasks{loop.get_executor()};
  asio::steady_timer stopped{loop, asio::steady_timer::time_point::max()};
  asio::steady_timer pause{loop};
  bool refusing = false;
  bool stopping = false;
  std::set<UpstreamSession*> sessions;
  std::deque<UpstreamSession*> waiting;  // For the engine, first come first served.
  std::map<std::string, std::size_t> seen;  // Requests of stateful scripts.
  std::map<std::string, std::chrono::steady_clock::time_point> first_seen;
  std::unordered_map<std::string, std::shared_ptr<const Reply>> replies;
  std::thread thread;
};

}  // namespace ragtime::load
