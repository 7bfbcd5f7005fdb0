// BertNormalizer: the text clean-up and word split that comes before WordPiece.
//
// Equal to `BertNormalizer` and `BertPreTokenizer` of Hugging Face tokenizers, whose Unicode tables for controls,
// marks and punctuation are those of Unicode 8: newer characters count as ordinary letters.
// Thread safety: values; const members may be called from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ragtime::encoder {

struct NormalizerOptions {
  bool clean_text = true;     // Drop controls and U+FFFD; any white space becomes a space.
  bool split_cjk = true;      // Each ideograph is a word of its own.
  bool strip_accents = true;  // Canonical decomposition, then drop nonspacing marks.
  bool lowercase = true;
};

bool is_nonspacing_mark(char32_t c);  // In Unicode 8.
void append_lower(char32_t c, std::u32string& out);

class BertNormalizer {
 public:
  explicit BertNormalizer(NormalizerOptions options) : options_(options) {}

  // The words and single punctuation marks of `utf8`, normalised. Invalid bytes count as U+FFFD.
  std::vector<std::u32string> words(std::string_view utf8) const;

 private:
  std::u32string normalize(std::string_view utf8) const;

  NormalizerOptions options_;
};

}  // namespace ragtime::encoder
