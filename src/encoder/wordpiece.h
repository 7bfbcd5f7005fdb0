// WordPiece: BERT's tokenizer, token by token equal to Hugging Face tokenizers.
//
// Thread safety: immutable once loaded; const members may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "encoder/bert_normalizer.h"
#include "encoder/sequence_template.h"
#include "encoder/tokenizer.h"

namespace ragtime::encoder {

struct WordPieceConfig {
  std::vector<std::pair<std::string, TokenId>> vocabulary;  // Ids are unique and not negative.
  // Recognised in the text as written, before normalisation; not empty.
  std::vector<std::pair<std::string, TokenId>> special_tokens;
  NormalizerOptions normalizer;
  std::string unknown = "[UNK]";
  std::string first = "[CLS]";
  std::string last = "[SEP]";
  std::string continuing_prefix = "##";
  std::size_t word_chars_max = 100;  // A longer word is unknown.
};

class WordPiece final : public Tokenizer {
 public:
  // From tokenizer.json, else vocab.txt with tokenizer_config.json.
  // Errors: not_found, corrupt, unsupported (another tokenizer model or normalizer); the message names the file.
  static Result<WordPiece> load(const std::filesystem::path& directory);
  // Errors: corrupt when a named special token is not in the vocabulary.
  static Result<WordPiece> create(WordPieceConfig config);

  TokenSequence encode(std::string_view text, std::size_t tokens_max) const override;
  TokenPair encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max) const override;

  TokenId id_max() const override { return id_max_; }
  std::size_t cjk_entries() const override;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Vocabulary = std::unordered_map<std::string, TokenId, Hash, std::equal_to<>>;
  struct SpecialToken {
    std::string text;
    TokenId id;
  };

  explicit WordPiece(WordPieceConfig config);
  Result<TokenId> find_special(const std::string& token) const;
  const SpecialToken* special_at(std::string_view text) const;
  std::pair<std::size_t, const SpecialToken*> next_special(std::string_view text) const;
  TokenSequence encode_text(std::string_view text, std::size_t count_max) const;
  void encode_plain(std::string_view text, std::size_t count_max, TokenSequence& out) const;
  void encode_word(const std::u32string& word, TokenSequence& out) const;

  BertNormalizer normalizer_;
  std::size_t word_chars_max_;
  Vocabulary whole_;         // Every entry, as it is.
  Vocabulary continuation_;  // Entries that begin with the prefix, without it.
  std::vector<SpecialToken> special_;
  std::string special_first_bytes_;  // The bytes that a special token may begin with.
  TokenId unknown_ = 0;
  SequenceTemplate template_;
  TokenId id_max_ = 0;
};

}  // namespace ragtime::encoder
