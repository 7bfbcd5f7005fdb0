// SingleFlight: of identical requests that run at the same time one is sent, and all get its answer.
//
// Thread safety: every member may be called from any thread; a waiter resumes on its own executor. Loops whose requests
// wait here outlive the waiting.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/wait.h"
#include "base/request_context.h"
#include "base/result.h"
#include "llm/gateway.h"

namespace ragtime::llm {

struct WholeAnswer {
  int status = 200;
  std::string content_type;
  std::string body;
  GatewayReport report;
};

class SingleFlight {
 public:
  using Shared = std::shared_ptr<const WholeAnswer>;

  // The leader's duty to say how it went. Destroyed without that, it lets the next one lead.
  class Lead {
   public:
    Lead(Lead&& other) noexcept;
    Lead& operator=(Lead&&) = delete;
    ~Lead();
    void publish(Result<Shared> answer);

   private:
    friend class SingleFlight;
    Lead(SingleFlight& owner, std::string key) : owner_(&owner), key_(std::move(key)) {}
    SingleFlight* owner_;
    std::string key_;
  };

  // Either the right to lead, or what another one's request brought.
  // Errors: those that the leader published, and deadline_exceeded and cancelled of this context.
  struct Turn {
    std::optional<Lead> lead;
    Shared answer;
  };
  Task<Result<Turn>> enter(std::string key, RequestContext& context);

 private:
  struct Flight {
    std::optional<Result<Shared>> answer;
    bool over = false;
    std::vector<std::shared_ptr<async::Event>> waiters;
  };

  void end(const std::string& key, std::optional<Result<Shared>> answer);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;  // Guarded by mutex_, contents too.
};

}  // namespace ragtime::llm
