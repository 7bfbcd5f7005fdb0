// ByteLevelBpe: byte-pair encoding over bytes, as GPT-2 and RoBERTa use it.
//
// Sennrich et al. 2016; every word's bytes are merged pair by pair, the pair learned earliest first.
// Thread safety: immutable once created.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "encoder/pipeline_tokenizer.h"

namespace ragtime::encoder {

struct ByteLevelBpeConfig {
  // Tokens in GPT-2's alphabet, in which every byte is a printable character.
  std::vector<std::pair<std::string, TokenId>> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  // First those learned first.
  std::string unknown;                                      // For bytes that are no token; if empty they are dropped.
  bool fuse_unknown = false;
  bool ignore_merges = false;  // A word that is a token as a whole is not merged.
  bool prefix_space = false;   // Put a space before texts that do not begin with one.
  bool split_words = true;     // By GPT-2's regular expression.
  PipelineConfig pipeline;
};

class ByteLevelBpe final : public PipelineTokenizer {
 public:
  // RoBERTa's tokenizer from vocab.json, merges.txt and tokenizer_config.json.
  // Errors: not_found, corrupt; the message names the file.
  static Result<ByteLevelBpe> load(const std::filesystem::path& directory);
  // Errors: corrupt when a merge or the unknown token names what is not in the vocabulary.
  static Result<ByteLevelBpe> create(ByteLevelBpeConfig config);

  std::size_t cjk_entries() const override { return cjk_entries_; }

 private:
  struct Scratch;
  struct Merge {
    std::uint32_t rank;
    TokenId id;
  };
  static constexpr TokenId kNone = -1;

  ByteLevelBpe(ByteLevelBpeConfig config, TokenId model_id_max);
  Result<void> index(const ByteLevelBpeConfig& config);
  Result<void> index_merges(const std::vector<std::pair<std::string, std::string>>& merges);
  Result<TokenId> find(const std::string& token, std::string_view where) const;
  const Merge* find_merge(TokenId left, TokenId right) const;
  void encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const override;
  void encode_word(std::string_view word, Scratch& scratch, TokenSequence& out) const;
  void start(std::string_view word, Scratch& scratch) const;
  void offer(std::size_t position, Scratch& scratch) const;
  void merge(Scratch& scratch) const;

  std::unordered_map<std::string, TokenId> vocabulary_;
  std::unordered_map<std::uint64_t, Merge> merges_;  // By both ids.
  std::array<TokenId, 256> byte_tokens_;
  TokenId unknown_ = kNone;
  bool fuse_unknown_;
  bool ignore_merges_;
  bool prefix_space_;
  bool split_words_;
  std::size_t cjk_entries_ = 0;
};

}  // namespace ragtime::encoder
