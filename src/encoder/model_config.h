// ModelConfig: what a Hugging Face or sentence-transformers directory says about a text encoder.
//
// Files: config.json, and where present modules.json, sentence_bert_config.json, 1_Pooling/config.json,
// tokenizer_config.json and config_sentence_transformers.json. Without modules.json: mean pooling, not normalised,
// as sentence-transformers does.
// Thread safety: values.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace ragtime::encoder {

enum class Activation { gelu_erf, gelu_tanh, relu };
enum class Pooling { mean, cls, max };

struct BertConfig {
  std::size_t hidden = 0;
  std::size_t layers = 0;
  std::size_t heads = 0;  // Divides `hidden`.
  std::size_t intermediate = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;        // Rows of the position table.
  std::size_t position_offset = 0;  // The first token's position: RoBERTa begins behind its padding index.
  std::size_t token_types = 0;
  float layer_norm_epsilon = 1e-12f;
  Activation activation = Activation::gelu_erf;
};

struct ModelConfig {
  BertConfig bert;
  Pooling pooling = Pooling::mean;
  bool normalize = false;
  std::size_t tokens_max = 0;  // Special tokens included; at most bert.positions - position_offset.
  bool lowercase = false;      // Lower-case texts whatever the tokenizer says.
  std::string query_prompt;    // Put before the text.
  std::string document_prompt;
  std::filesystem::path transformer_directory;  // Where config.json, the weights and the tokenizer lie.
};

// Errors: not_found, corrupt, unsupported (architecture, pooling, activation); the message names file and key.
Result<ModelConfig> load_model_config(const std::filesystem::path& directory);

}  // namespace ragtime::encoder
