#include "encoder/wordpiece.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

namespace ragtime::encoder {
namespace {

// A word as UTF-8, with the byte offset of every character and of the end.
struct EncodedWord {
  std::string bytes;
  std::vector<std::size_t> offsets;
};

EncodedWord to_utf8(const std::u32string& word) {
  EncodedWord out;
  for (char32_t c : word) {
    out.offsets.push_back(out.bytes.size());
    std::array<char, U8_MAX_LENGTH> buffer{};
    std::int32_t length = 0;
    U8_APPEND_UNSAFE(buffer.data(), length, static_cast<UChar32>(c));
    out.bytes.append(buffer.data(), static_cast<std::size_t>(length));
  }
  out.offsets.push_back(out.bytes.size());
  return out;
}

bool has_cjk(std::string_view utf8) {
  const auto size = static_cast<std::int32_t>(utf8.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(utf8.data(), i, size, c);
    UErrorCode status = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(c, &status);
    if (script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || script == USCRIPT_HANGUL) {
      return true;
    }
  }
  return false;
}

}  // namespace

WordPiece::WordPiece(WordPieceConfig config) : normalizer_(config.normalizer), word_chars_max_(config.word_chars_max) {
  whole_.reserve(config.vocabulary.size());
  for (auto& [token, id] : config.vocabulary) {
    id_max_ = std::max(id_max_, id);
    const std::string& prefix = config.continuing_prefix;
    if (token.starts_with(prefix)) continuation_.emplace(token.substr(prefix.size()), id);
    whole_.emplace(std::move(token), id);
  }
  for (auto& [token, id] : config.special_tokens) {
    id_max_ = std::max(id_max_, id);
    special_first_bytes_ += token.front();
    special_.push_back({std::move(token), id});
  }
}

Result<WordPiece> WordPiece::create(WordPieceConfig config) {
  const auto [unknown, first, last] = std::tuple(config.unknown, config.first, config.last);
  WordPiece tokenizer(std::move(config));
  RAGTIME_TRY(tokenizer.unknown_, tokenizer.find_special(unknown));
  RAGTIME_TRY(const TokenId first_id, tokenizer.find_special(first));
  RAGTIME_TRY(const TokenId last_id, tokenizer.find_special(last));
  tokenizer.template_ = SequenceTemplate::bert(first_id, last_id);
  return tokenizer;
}

Result<TokenId> WordPiece::find_special(const std::string& token) const {
  const auto found = whole_.find(token);
  if (found == whole_.end()) return make_error(ErrorCode::corrupt, "the vocabulary lacks the token " + token);
  return found->second;
}

// The longest special token that `text` begins with.
const WordPiece::SpecialToken* WordPiece::special_at(std::string_view text) const {
  const SpecialToken* best = nullptr;
  for (const SpecialToken& token : special_) {
    if (text.starts_with(token.text) && (best == nullptr || token.text.size() > best->text.size())) best = &token;
  }
  return best;
}

// The first special token in `text` and where it begins; the end of the text when there is none.
std::pair<std::size_t, const WordPiece::SpecialToken*> WordPiece::next_special(std::string_view text) const {
  for (std::size_t i = text.find_first_of(special_first_bytes_); i < text.size();
       i = text.find_first_of(special_first_bytes_, i + 1)) {
    if (const SpecialToken* token = special_at(text.substr(i))) return {i, token};
  }
  return {text.size(), nullptr};
}

TokenSequence WordPiece::encode(std::string_view text, std::size_t tokens_max) const {
  return template_.assemble(encode_text(text, template_.text_tokens(tokens_max)), tokens_max);
}

TokenPair WordPiece::encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max) const {
  // Which text is the longer one is only known from all of their tokens.
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  return template_.assemble(encode_text(first, kAll), encode_text(second, kAll), tokens_max);
}

// At least the first `count_max` tokens, or all.
TokenSequence WordPiece::encode_text(std::string_view text, std::size_t count_max) const {
  TokenSequence ids;
  while (ids.size() < count_max) {
    const auto [position, special] = next_special(text);
    encode_plain(text.substr(0, position), count_max, ids);
    if (special == nullptr) break;
    ids.push_back(special->id);
    text.remove_prefix(position + special->text.size());
  }
  return ids;
}

// Works through stretches between ASCII white space, which never influence each other, so that a long text costs
// no more than the tokens that are kept.
void WordPiece::encode_plain(std::string_view text, std::size_t count_max, TokenSequence& out) const {
  constexpr std::string_view kSpace = " \t\n\r";
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
