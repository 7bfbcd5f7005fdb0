#include "encoder/wordpiece.h"

#include <algorithm>
#include <utility>

#include "encoder/unicode_text.h"

namespace ragtime::encoder {
namespace {

// A word as UTF-8, with the byte offset of every character and of the end.
struct EncodedWord {
  std::string bytes;
  std::vector<std::size_t> offsets;
};

EncodedWord to_utf8(const std::u32string& word) {
  EncodedWord out;
  for (const char32_t c : word) {
    out.offsets.push_back(out.bytes.size());
    append_utf8(c, out.bytes);
  }
  out.offsets.push_back(out.bytes.size());
  return out;
}

Result<TokenId> find_special(const WordPieceConfig& config, const std::string& token) {
  for (const auto& entry : config.vocabulary) {
    if (entry.first == token) return entry.second;
  }
  return make_error(ErrorCode::corrupt, "the vocabulary lacks the token " + token);
}

TokenId largest_id(const WordPieceConfig& config) {
  TokenId id = -1;
  for (const auto& entry : config.vocabulary) id = std::max(id, entry.second);
  return id;
}

PipelineConfig pipeline(const WordPieceConfig& config, SequenceTemplate sequence) {
  PipelineConfig out;
  out.added_tokens = config.special_tokens;
  out.sequence = std::move(sequence);
  return out;
}

}  // namespace

WordPiece::WordPiece(WordPieceConfig config, TokenId unknown, SequenceTemplate sequence)
    : PipelineTokenizer(pipeline(config, std::move(sequence)), largest_id(config)),
      normalizer_(config.normalizer),
      word_chars_max_(config.word_chars_max),
      unknown_(unknown) {
  whole_.reserve(config.vocabulary.size());
  for (auto& [token, id] : config.vocabulary) {
    const std::string& prefix = config.continuing_prefix;
    if (token.starts_with(prefix)) continuation_.emplace(token.substr(prefix.size()), id);
    whole_.emplace(std::move(token), id);
  }
}

Result<WordPiece> WordPiece::create(WordPieceConfig config) {
  RAGTIME_TRY(const TokenId unknown, find_special(config, config.unknown));
  if (!config.sequence) {
    RAGTIME_TRY(const TokenId first, find_special(config, config.first));
    RAGTIME_TRY(const TokenId last, find_special(config, config.last));
    config.sequence = SequenceTemplate::bert(first, last);
  }
  SequenceTemplate sequence = std::move(*config.sequence);
  return WordPiece(std::move(config), unknown, std::move(sequence));
}

// Works through stretches between ASCII white space, which never influence each other, so that a long text costs
// no more than the tokens that are kept.
void WordPiece::encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const {
  constexpr std::string_view kSpace = " \t\n\r";
  const std::string_view text = stretch.text;
  std::size_t begin = text.find_first_not_of(kSpace);
  while (begin != std::string_view::npos && out.size() < count_max) {
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    for (const std::u32string& word : normalizer_.words(text.substr(begin, end - begin))) encode_word(word, out);
    begin = text.find_first_not_of(kSpace, end);
  }
}

void WordPiece::encode_word(const std::u32string& word, TokenSequence& out) const {
  if (word.size() > word_chars_max_) return out.push_back(unknown_);
  const EncodedWord encoded = to_utf8(word);
  const std::size_t count_before = out.size();
  for (std::size_t begin = 0; begin < word.size();) {
    const Vocabulary& vocabulary = begin == 0 ? whole_ : continuation_;
    std::size_t end = word.size();
    auto found = vocabulary.end();
    for (; end > begin; --end) {
      const std::size_t from = encoded.offsets[begin];
      found = vocabulary.find(std::string_view(encoded.bytes).substr(from, encoded.offsets[end] - from));
      if (found != vocabulary.end()) break;
    }
    if (found == vocabulary.end()) {
      out.resize(count_before);
      return out.push_back(unknown_);
    }
    out.push_back(found->second);
    begin = end;
  }
}

std::size_t WordPiece::cjk_entries() const {
  return static_cast<std::size_t>(
      std::count_if(whole_.begin(), whole_.end(), [](const auto& entry) { return has_cjk(entry.first); }));
}

}  // namespace ragtime::encoder
