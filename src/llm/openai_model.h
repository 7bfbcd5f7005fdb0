// A chat model behind an OpenAI-compatible /chat/completions endpoint (vLLM, llama.cpp, Ollama, a hosted API).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "http/client.h"
#include "llm/chat_model.h"

namespace ragtime::llm {

struct OpenAiModelConfig {
  std::string name;     // What our clients call it.
  std::string url;      // Base, for example "http://127.0.0.1:9001/v1".
  std::string model;    // What the endpoint calls it.
  std::string api_key;  // Empty: no Authorization header.
  std::chrono::milliseconds first_token_timeout{60'000};
  std::chrono::milliseconds idle_timeout{30'000};
  std::chrono::milliseconds total_timeout{600'000};
};

// `client` outlives the model.
std::unique_ptr<ChatModel> make_openai_model(OpenAiModelConfig config, http::Client& client);

}  // namespace ragtime::llm
