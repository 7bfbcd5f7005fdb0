// Loop: one event loop of the server with its thread's sessions.
//
// Thread safety: run() is the loop's thread; every other member but executor() only posts to it and may be called from
// any thread while the loop exists.
#pragma once

#include <chrono>
#include <functional>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"
#include "async/task_group.h"
#include "http/session.h"

namespace ragtime::http {

class Loop {
 public:
  Loop(const SessionShared& server, telemetry::Metrics& metrics);

  // Serves until stop() was called and every session and task has ended.
  void run();

  asio::io_context::executor_type executor() { return context_.get_executor(); }
  // Runs `task` beside the sessions; it must end after stop().
  void spawn(Task<> task);

  enum class Admission { serve, refuse };
  // `on_end` is called when the connection is closed.
  void adopt(asio::ip::tcp::socket socket, Admission admission, std::function<void()> on_end);

  void drain();
  void cancel_requests();
  void stop();

 private:
  Task<> live();
  Task<> serve(asio::ip::tcp::socket socket, Admission admission, std::function<void()> on_end);

  const SessionShared& server_;
  const std::chrono::milliseconds tick_;
  asio::io_context context_{1};
  LoopShared shared_;
  async::TaskGroup tasks_;
  asio::steady_timer tick_timer_;
  std::set<Session*> sessions_;
  bool stopping_ = false;
};

}  // namespace ragtime::http
