// ScriptedUpstream: an OpenAI-compatible model server on a free port that misbehaves on demand, for tests and
// benchmarks of what stands in front of model servers.
//
// Which script a request gets: its header x-scripted, else the next of queue_scripts(), else set_script(), else the
// model's name when that names a script (script.h), else "plain".
// Routes: POST /v1/{chat/completions,completions,embeddings,rerank} (also without /v1), GET /v1/models, /health, /ping,
// /version, /metrics (vLLM's names), /load; for tests GET /__log, POST /__script, POST /__reset.
// Thread safety: every public member may be called from any thread; it serves on one thread of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/engine_model.h"
#include "load/script.h"
#include "load/upstream_log.h"

namespace ragtime::load {

struct UpstreamConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;                           // 0 chooses a free one.
  std::vector<std::string> models = {"scripted"};   // What /v1/models says; any name is answered.
  std::string script;                               // For every request, as set_script().
  EngineConfig engine;
  std::size_t tokens = 16;       // Of an answer whose script does not say.
  std::size_t dimensions = 384;  // Of embeddings.
  // For benchmarks: requests are not parsed but scanned, replies made once, nothing is recorded.
  bool instant = false;
  std::size_t records_max = 10'000;
  std::size_t body_bytes_max = 64u << 10;  // Kept of each request.
  std::size_t request_bytes_max = 64u << 20;
};

class ScriptedUpstream {
 public:
  explicit ScriptedUpstream(UpstreamConfig config = {});
  ~ScriptedUpstream();  // stop()
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

  // Errors: unavailable when the address cannot be bound, invalid_argument for the script.
  Result<void> start();
  void stop();  // Closes every connection. Idempotent.

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:PORT/v1"

  // Empty: as the requests' models say. Errors: invalid_argument for what is no script.
  Result<void> set_script(const std::string& script);
  Result<void> queue_scripts(const std::vector<std::string>& scripts);
  void set_health(int status);  // Of GET /health; 200 at first.
  // "" (as they are), "old" (earlier names), "missing" (404), "garbage", "frozen" (as they were at this call).
  Result<void> set_metrics_mode(const std::string& mode);

  UpstreamLog& log();

  struct State;  // Internal: shared with the connections.

 private:
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::load
