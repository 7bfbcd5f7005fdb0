// UpstreamSession: one connection of the scripted upstream. Plays replies and notices when the client leaves.
//
// Thread safety: belongs to the upstream's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"
#include "http/request_parser.h"
#include "http/wire.h"
#include "load/scripted_upstream_state.h"
#include "load/upstream_request.h"

namespace ragtime::load {

class UpstreamSession {
 public:
  UpstreamSession(asio::ip::tcp::socket socket, ScriptedUpstream::State& upstream, std::uint64_t number);

  Task<> run();
  void stop();
  void wake() { timer_.cancel(); }  // Looks again whether the engine has room.
  const EngineModel::Work& work() const { return work_; }

 private:
  struct Played;

  Task<std::optional<http::RequestHead>> read_head();
  Task<std::optional<std::string>> read_body(const http::RequestHead& head);
  Task<bool> answer(http::RequestHead head, std::string body);
  Task<bool> answer_model_call(const http::RequestHead& head, Operation operation, std::string body);
  Task<bool> answer_instantly(const http::RequestHead& head, Operation operation, const std::string& body);
  Task<bool> answer_task(Operation operation, const UpstreamRequest& request, std::uint64_t id);
  Task<bool> run_script(const ScriptSpec& spec, const UpstreamRequest& request, std::uint64_t id);
  Task<bool> send_plain(int status, std::string_view type, std::string body, std::uint64_t id);
  std::pair<int, std::string> local_route(const http::RequestHead& head, const std::string& body);

  Task<bool> wait_for_engine();
  Task<Played> play(const Reply& reply);
  std::chrono::steady_clock::time_point due_time(const Step& step, std::chrono::steady_clock::time_point last);
  std::size_t run_end(const Reply& reply, std::size_t first) const;
  // What the socket takes without waiting, in bytes.
  std::size_t send_now(const Reply& reply, std::size_t first, std::size_t end);
  // What is left of the steps after `sent` bytes. False when the client has left.
  Task<bool> send_rest(const Reply& reply, std::size_t first, std::size_t end, std::size_t sent);
  void end_connection(const Step& step);
  void watch();

  ScriptedUpstream::State& upstream_;
  const int handle_;  // Of the socket inside wire_.
  http::Wire wire_;
  http::RequestParser parser_;
  asio::steady_timer timer_;
  const std::uint64_t number_;
  EngineModel::Work work_;
  bool gone_ = false;
  bool watching_ = false;
};

}  // namespace ragtime::load
