// WordPiece: BERT's tokenizer, token by token equal to Hugging Face tokenizers.
//
// Thread safety: immutable once loaded; const members may be called from any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "encoder/bert_normalizer.h"
#include "encoder/json_file.h"
#include "encoder/pipeline_tokenizer.h"

namespace ragtime::encoder {

struct WordPieceConfig {
  std::vector<std::pair<std::string, TokenId>> vocabulary;  // Ids are unique and not negative.
  std::vector<AddedToken> special_tokens;                   // None is `normalized`.
  NormalizerOptions normalizer;
  std::string unknown = "[UNK]";
  std::string first = "[CLS]";
  std::string last = "[SEP]";
  std::optional<SequenceTemplate> sequence;  // Instead of BERT's with `first` and `last`.
  std::string continuing_prefix = "##";
  std::size_t word_chars_max = 100;  // A longer word is unknown.
};

class WordPiece final : public PipelineTokenizer {
 public:
  // From tokenizer.json, else vocab.txt with tokenizer_config.json.
  // Errors: not_found, corrupt, unsupported (another tokenizer model or normalizer); the message names the file.
  static Result<WordPiece> load(const std::filesystem::path& directory);
  static Result<WordPiece> from_json(const JsonFile& file);
  // Errors: corrupt when a named special token is not in the vocabulary.
  static Result<WordPiece> create(WordPieceConfig config);

  std::size_t cjk_entries() const override;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Vocabulary = std::unordered_map<std::string, TokenId, Hash, std::equal_to<>>;

  WordPiece(WordPieceConfig config, TokenId unknown, SequenceTemplate sequence);
  void encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const override;
  void encode_word(const std::u32string& word, TokenSequence& out) const;

  BertNormalizer normalizer_;
  std::size_t word_chars_max_;
  Vocabulary whole_;         // Every entry, as it is.
  Vocabulary continuation_;  // Entries that begin with the prefix, without it.
  TokenId unknown_;
};

// An object of tokens with their ids. Errors: corrupt.
Result<std::vector<std::pair<std::string, TokenId>>> parse_vocabulary(const JsonFile& file,
                                                                      const boost::json::value& vocabulary);

}  // namespace ragtime::encoder
