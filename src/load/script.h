// Script: which behaviour a request asks of the scripted upstream, and the steps that make up its reply.
//
// A script is named by the request's model, the header x-scripted, or the upstream's own setting:
//   NAME            "cut"
//   NAME@KEY=VALUE  "cut@after=3", "stall@after=2,ms=5000"
// What stands before the last '/' of a model's name is left out ("openai/cut@after=3").
// Thread safety: values.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::load {

struct ScriptSpec {
  std::string name = "plain";
  std::map<std::string, std::string, std::less<>> values;

  // Errors: invalid_argument for text that is not of the form above. Any name is accepted.
  static Result<ScriptSpec> parse(std::string_view text);

  std::size_t number(std::string_view key, std::size_t fallback) const;  // Fallback also for what is no number.
  std::string text(std::string_view key, std::string_view fallback) const;
  std::chrono::milliseconds ms(std::size_t fallback) const { return std::chrono::milliseconds(number("ms", fallback)); }
};

// What the client of a running reply waits for. Reported when it leaves.
enum class Phase : unsigned char { queued, head, first_token, streaming, done };
std::string_view name(Phase phase);

struct Step {
  enum class Kind : unsigned char {
    send,      // `bytes`, in one write.
    hold,      // Nothing until the client leaves.
    close,     // End of the connection, properly.
    reset,     // End of the connection with a TCP reset.
    stop_listening,  // New connections are refused for `wait`; this one is reset.
  };
  // The wait before the step, beside `wait`: the engine's time to a first token or between two tokens.
  enum class Pace : unsigned char { none, first_token, next_token };

  Kind kind = Kind::send;
  Pace pace = Pace::none;
  Phase phase = Phase::head;
  bool apart = false;  // Not to be joined with the step before in one write.
  std::chrono::microseconds wait{0};
  std::string bytes;
};

struct Reply {
  std::vector<Step> steps;
  // The first of the steps that repeat until the client leaves; none when it is steps.size().
  std::size_t repeat_from = 0;
  int status = 0;           // Of the head; 0 when there is none.
  bool keep_alive = true;   // Whether the connection takes another request after the last step.
  bool faulty = false;      // Not what a healthy server says.
  std::size_t tokens = 0;   // Of the answer, as far as it goes.
};

enum class Operation : unsigned char { chat, completions, embeddings, rerank };

// The parts of a request that replies depend on.
struct ScriptRequest {
  Operation operation = Operation::chat;
  std::string model = "scripted";
  bool stream = false;
  bool include_usage = false;
  std::size_t choices = 1;
  std::size_t prompt_tokens = 1;
  std::size_t tokens = 16;      // Of the answer.
  bool length_limited = false;  // The request's max_tokens is what ends it.
  std::string echo;             // The last user message, for the script "echo".
};

struct ScriptInfo {
  std::string_view name;
  std::string_view summary;
  std::string_view keys;  // Of its settings, with defaults: "after=3 ms=1000".
};

// Every script, in the order of the documentation.
std::vector<ScriptInfo> all_scripts();
bool is_script(std::string_view name);

// The reply of a chat or completion request. An unknown script is a plain answer. "flap" and "error-once" depend on
// what came before: the upstream decides and asks for "plain" or "error".
Reply make_reply(const ScriptSpec& spec, const ScriptRequest& request);

}  // namespace ragtime::load
