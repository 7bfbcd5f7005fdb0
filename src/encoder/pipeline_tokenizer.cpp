#include "encoder/pipeline_tokenizer.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

std::vector<AddedToken> select(const std::vector<AddedToken>& tokens, const TextNormalizer& normalizer,
                               bool normalized) {
  std::vector<AddedToken> out;
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized) continue;
    out.push_back(token);
    if (normalized) out.back().content = normalizer.normalize(token.content);
    if (out.back().content.empty()) out.pop_back();
  }
  return out;
}

}  // namespace

PipelineTokenizer::PipelineTokenizer(PipelineConfig config, TokenId model_id_max)
    : tokens_(select(config.added_tokens, config.normalizer, false)),
      normalized_tokens_(select(config.added_tokens, config.normalizer, true)),
      normalizer_(std::move(config.normalizer)),
      sequence_(std::move(config.sequence)) {
  id_max_ = std::max({model_id_max, tokens_.id_max(), normalized_tokens_.id_max(), sequence_.id_max()});
}

TokenSequence PipelineTokenizer::encode(std::string_view text, std::size_t tokens_max) const {
  return sequence_.assemble(encode_text(text, sequence_.text_tokens(tokens_max)), tokens_max);
}

TokenPair PipelineTokenizer::encode_pair(std::string_view first, std::string_view second,
                                         std::size_t tokens_max) const {
  // Which text is the longer one is only known from all of their tokens.
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  return sequence_.assemble(encode_text(first, kAll), encode_text(second, kAll), tokens_max);
}

// At least the first `count_max` tokens, or all.
TokenSequence PipelineTokenizer::encode_text(std::string_view text, std::size_t count_max) const {
  std::string repaired;
  text = valid_utf8(text, repaired);
  TokenSequence out;
  AddedTokens::Splitter pieces(tokens_, text);
  while (out.size() < count_max) {
    const auto piece = pieces.next();
    if (!piece) break;
    if (piece->id) {
      out.push_back(*piece->id);
    } else {
      encode_between(text.substr(piece->begin, piece->end - piece->begin), piece->begin == 0, count_max, out);
    }
  }
  return out;
}

void PipelineTokenizer::encode_between(std::string_view raw, bool at_start, std::size_t count_max,
                                       TokenSequence& out) const {
  std::string storage;
  std::string_view text = raw;
  if (!normalizer_.empty()) text = storage = normalizer_.normalize(std::string(raw));
  if (at_start && text != raw) at_start = keeps_first_character(raw);
  AddedTokens::Splitter pieces(normalized_tokens_, text);
  while (out.size() < count_max) {
    const auto piece = pieces.next();
    if (!piece) break;
    if (piece->id) {
      out.push_back(*piece->id);
    } else {
      const Stretch stretch{text.substr(piece->begin, piece->end - piece->begin), at_start && piece->begin == 0};
      encode_stretch(stretch, count_max, out);
    }
  }
}

// Whether normalisation does not simply drop the first character.
bool PipelineTokenizer::keeps_first_character(std::string_view raw) const {
  std::size_t end = 0;
  text::next_code_point(raw, end);
  return normalizer_.normalize(std::string(raw.substr(0, end)) + "a") != "a";
}

}  // namespace ragtime::encoder
