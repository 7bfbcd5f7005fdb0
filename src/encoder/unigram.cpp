#include "encoder/unigram.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <utility>

#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

constexpr double kUnknownPenalty = 10;
constexpr TokenId kUnreached = -1;

std::string byte_piece(unsigned byte) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "<0x%02X>", byte);
  return text.data();
}

std::string replace_spaces(std::string_view text, const std::string& separator) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    if (c == ' ') {
      out += separator;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

// The best way to the end of a prefix: its score and its last piece.
struct Unigram::Step {
  double score = 0;
  std::uint32_t begin = 0;
  TokenId id = kUnreached;
};

Unigram::Unigram(UnigramConfig config)
    : PipelineTokenizer(std::move(config.pipeline), static_cast<TokenId>(config.pieces.size()) - 1),
      trie_(config.pieces),
      scores_(std::move(config.scores)),
      unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty),
      unknown_(config.unknown),
      byte_fallback_(config.byte_fallback),
      use_separator_(config.use_separator),
      separator_(std::move(config.separator)),
      prefix_(config.prefix),
      split_at_separator_(config.split_at_separator),
      split_at_space_(config.split_at_space),
      cjk_entries_(static_cast<std::size_t>(
          std::count_if(config.pieces.begin(), config.pieces.end(), [](const auto& p) { return has_cjk(p); }))) {
  for (unsigned byte = 0; byte < byte_pieces_.size(); ++byte) byte_pieces_[byte] = trie_.find(byte_piece(byte));
}

Result<Unigram> Unigram::create(UnigramConfig config) {
  if (config.scores.size() != config.pieces.size()) {
    return make_error(ErrorCode::corrupt, "the pieces and their scores are not of one number");
  }
  if (config.unknown < 0 || static_cast<std::size_t>(config.unknown) >= config.pieces.size()) {
    return make_error(ErrorCode::corrupt, "the unknown piece is not in the vocabulary");
  }
  return Unigram(std::move(config));
}

void Unigram::encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const {
  std::vector<Step> steps;
  if (!split_at_space_) return encode_piece(stretch, count_max, steps, out);
  std::size_t begin = 0;
  const auto flush = [&](std::size_t end) {
    const std::string_view word = stretch.text.substr(begin, end - begin);
    if (!word.empty()) encode_piece({word, stretch.at_start && begin == 0}, count_max, steps, out);
  };
  for (std::size_t i = 0; i < stretch.text.size() && out.size() < count_max;) {
    const std::size_t here = i;
    if (!is_space(text::next_code_point(stretch.text, i))) continue;
    flush(here);
    begin = i;
  }
  if (out.size() < count_max) flush(stretch.text.size());
}

void Unigram::encode_piece(Stretch piece, std::size_t count_max, std::vector<Step>& steps, TokenSequence& out) const {
  if (!use_separator_) return encode_word(piece.text, steps, out);
  std::string text = replace_spaces(piece.text, separator_);
  const bool prefix = prefix_ == PrefixScheme::always || (prefix_ == PrefixScheme::first && piece.at_start);
  if (prefix && !text.starts_with(separator_)) text.insert(0, separator_);
  if (!split_at_separator_) return encode_word(text, steps, out);
  std::string_view rest = text;
  while (!rest.empty() && out.size() < count_max) {
    const std::size_t end = std::min(rest.find(separator_, 1), rest.size());
    encode_word(rest.substr(0, end), steps, out);
    rest.remove_prefix(end);
  }
}

// Viterbi: steps[n] is the best way to the first n bytes.
void Unigram::find_best_path(std::string_view word, std::vector<Step>& steps) const {
  steps.assign(word.size() + 1, Step{});
  const auto offer = [&](std::size_t begin, std::size_t end, TokenId id, double score) {
    Step& step = steps[end];
    const double total = score + steps[begin].score;
    if (step.id == kUnreached || total > step.score) step = {total, static_cast<std::uint32_t>(begin), id};
  };
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t next = begin;
    text::next_code_point(word, next);
    bool has_single = false;
    trie_.for_each_prefix(word.substr(begin), [&](std::size_t length, TokenId id) {
      offer(begin, begin + length, id, scores_[static_cast<std::size_t>(id)]);
      has_single = has_single || begin + length == next;
    });
    if (!has_single) offer(begin, next, unknown_, unknown_score_);
    begin = next;
  }
}

void Unigram::encode_word(std::string_view word, std::vector<Step>& steps, TokenSequence& out) const {
  find_best_path(word, steps);
  const std::size_t count_before = out.size();
  // Backwards from the end; neighbouring unknown pieces are one.
  for (std::size_t end = word.size(); end > 0;) {
    const Step& step = steps[end];
    std::size_t begin = step.begin;
    if (step.id != unknown_) {
      out.push_back(step.id);
    } else {
      while (begin > 0 && steps[begin].id == unknown_) begin = steps[begin].begin;
      append_unknown(word.substr(begin, end - begin), out);
    }
    end = begin;
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(count_before), out.end());
}

// In reverse, as the caller reads the word.
void Unigram::append_unknown(std::string_view text, TokenSequence& out) const {
  if (const TokenId id = trie_.find(text); id != PieceTrie::kNone) return out.push_back(id);
  const auto piece = [&](char byte) { return byte_pieces_[static_cast<unsigned char>(byte)]; };
  const bool known = std::all_of(text.begin(), text.end(), [&](char byte) { return piece(byte) != PieceTrie::kNone; });
  if (!byte_fallback_ || !known) return out.push_back(unknown_);
  for (std::size_t i = text.size(); i-- > 0;) out.push_back(piece(text[i]));
}

}  // namespace ragtime::encoder
