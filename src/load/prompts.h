// Prompts: what load runs ask: lines of a file, or synthetic texts of a size.
//
// Thread safety: const after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/load_config.h"

namespace ragtime::load {

struct PromptConfig {
  std::string file;               // One prompt a line, plain or JSON with "prompt" or "messages"; empty: synthetic.
  std::size_t tokens = 64;        // Of a synthetic prompt, at four bytes a token.
  std::size_t shared_tokens = 0;  // At its start, the same in all.
  std::size_t count = 256;        // Different synthetic ones.
  std::uint64_t seed = 1;
};

class Prompts {
 public:
  // Errors: invalid_argument, with the line, for a file that cannot be used.
  static Result<Prompts> load(const PromptConfig& config);

  std::size_t size() const { return messages_json_.size(); }
  // The bodies of requests, one per prompt.
  std::vector<std::string> bodies(const LoadConfig& config, const std::string& model) const;

 private:
  void add(const std::string& prompt);

  std::vector<std::string> messages_json_;
  std::vector<std::string> texts_;
};

}  // namespace ragtime::load
