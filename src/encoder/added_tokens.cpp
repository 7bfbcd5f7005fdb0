#include "encoder/added_tokens.h"

#include <algorithm>

#include <unicode/uchar.h>

#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

// \w as Unicode's regular expressions define it.
bool is_word_character(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  if (u_hasBinaryProperty(code, UCHAR_ALPHABETIC) || u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL)) return true;
  const std::uint32_t category = U_GET_GC_MASK(code);
  return (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

std::size_t previous(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

char32_t character_at(std::string_view text, std::size_t begin) {
  return text::next_code_point(text, begin);
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  if (begin > 0 && is_word_character(character_at(text, previous(text, begin)))) return false;
  return end == text.size() || !is_word_character(character_at(text, end));
}

std::size_t skip_space_left(std::string_view text, std::size_t begin) {
  while (begin > 0 && is_space(character_at(text, previous(text, begin)))) begin = previous(text, begin);
  return begin;
}

std::size_t skip_space_right(std::string_view text, std::size_t end) {
  for (std::size_t after = end; after < text.size(); end = after) {
    if (!is_space(text::next_code_point(text, after))) break;
  }
  return end;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (const AddedToken& token : tokens_) first_bytes_ += token.content.front();
}

TokenId AddedTokens::id_max() const {
  TokenId id = -1;
  for (const AddedToken& token : tokens_) id = std::max(id, token.id);
  return id;
}

const AddedToken* AddedTokens::longest_at(std::string_view text) const {
  const AddedToken* best = nullptr;
  for (const AddedToken& token : tokens_) {
    if (text.starts_with(token.content) && (best == nullptr || token.content.size() > best->content.size())) {
      best = &token;
    }
  }
  return best;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t i = text.find_first_of(first_bytes_, from); i < text.size();
       i = text.find_first_of(first_bytes_, i + 1)) {
    if (const AddedToken* token = longest_at(text.substr(i))) return Match{i, i + token->content.size(), token};
  }
  return std::nullopt;
}

std::optional<AddedTokens::Piece> AddedTokens::Splitter::next() {
  if (pending_) return std::exchange(pending_, std::nullopt);
  while (const auto match = tokens_.find(text_, scanned_)) {
    auto [begin, end, token] = *match;
    scanned_ = end;
    if (token->single_word && !stands_alone(text_, begin, end)) continue;
    if (token->left_strip) begin = skip_space_left(text_, begin);
    if (token->right_strip) end = skip_space_right(text_, end);
    begin = std::max(begin, done_);
    const Piece piece{begin, end, token->id};
    const Piece before{done_, begin, std::nullopt};
    done_ = end;
    if (before.begin == before.end) return piece;
    pending_ = piece;
    return before;
  }
  scanned_ = text_.size();
  if (done_ >= text_.size()) return std::nullopt;
  return Piece{std::exchange(done_, text_.size()), text_.size(), std::nullopt};
}

}  // namespace ragtime::encoder
