// Tokenizer: text to the token ids a model was trained on, equal to Hugging Face's tokenizers token by token.
//
// load_tokenizer() reads tokenizer.json (WordPiece, Unigram or byte-level BPE), else vocab.txt or
// sentencepiece.bpe.model.
// Thread safety: immutable once loaded; const members may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::encoder {

using TokenId = std::int32_t;
using TokenSequence = std::vector<TokenId>;

// Two texts in one sequence, as cross-encoders read them.
struct TokenPair {
  TokenSequence ids;
  std::vector<std::int32_t> types;  // Segment of each token: 0, or 1 for the second text where the model has segments.
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The text between the model's special tokens, cut so that all fit into `tokens_max` (at least 2).
  virtual TokenSequence encode(std::string_view text, std::size_t tokens_max) const = 0;
  // Both texts between the special tokens of a pair; the longer one is cut first ("longest_first").
  virtual TokenPair encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max) const = 0;

  virtual TokenId id_max() const = 0;
  virtual std::size_t cjk_entries() const = 0;  // Vocabulary entries with a Chinese, Japanese or Korean character.
};

// Errors: not_found, corrupt, unsupported (another tokenizer model, normalizer or post-processor); the message names
// the file and the key.
Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::filesystem::path& directory);

}  // namespace ragtime::encoder
