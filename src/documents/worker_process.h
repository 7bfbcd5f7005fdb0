// WorkerProcess: one running `parse-worker` child, seen from the parser. Blocking.
//
// The child lives in a process group of its own, which is killed as a whole, so that a pdftotext it runs dies with it.
// It inherits three descriptors and two environment variables, nothing else.
// Thread safety: an object belongs to one thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"
#include "documents/parser.h"
#include "documents/unique_fd.h"
#include "documents/worker_protocol.h"
#include "text/document.h"

namespace ragtime::documents {

// Wakes a poll() when a context is cancelled.
class CancelSignal {
 public:
  explicit CancelSignal(const RequestContext& context);
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::stop_callback<std::function<void()>> on_cancel_;
};

class WorkerProcess {
 public:
  // Starts a child and waits for its greeting.
  static Result<std::unique_ptr<WorkerProcess>> start(const ParserConfig& config, const RequestContext& context);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Afterwards usable() says whether the child can take another document. Errors: those of Parser::parse.
  Result<text::Document> parse(const ParseRequest& request, const RequestContext& context);

  // Alive, in step with the protocol, and not worn out.
  bool usable() const;

 private:
  WorkerProcess(const ParserConfig& config, UniqueFd socket, pid_t pid);

  enum class Io { done, closed, late, cancelled };
  struct Wait;  // Until when, and what interrupts.

  Result<void> greet(const RequestContext& context);
  Result<std::string> exchange(std::string_view request, std::size_t reply_bytes_max, const Wait& wait);
  Io send(std::string_view bytes, const Wait& wait);
  Io receive(char* bytes, std::size_t count, const Wait& wait);
  Io wait_for(short events, const Wait& wait) const;
  // Ends the child and explains why it had to, or why it did so itself.
  Error give_up(Io reason, const Wait& wait);
  int stop();

  const std::size_t memory_bytes_;
  const std::chrono::seconds time_;
  UniqueFd socket_;
  pid_t pid_;
  int documents_ = 0;
  bool in_step_ = true;
};

}  // namespace ragtime::documents
