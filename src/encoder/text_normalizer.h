// TextNormalizer: the normalizers of Hugging Face tokenizers, one after the other.
//
// Thread safety: immutable once built; normalize() may be called from any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/charsmap.h"

namespace ragtime::encoder {

// Valid UTF-8 to valid UTF-8.
using NormalizerStep = std::function<std::string(std::string)>;

class TextNormalizer {
 public:
  void add(NormalizerStep step) { steps_.push_back(std::move(step)); }
  bool empty() const { return steps_.empty(); }
  std::string normalize(std::string text) const;

 private:
  std::vector<NormalizerStep> steps_;
};

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

NormalizerStep apply_charsmap(Charsmap map);
NormalizerStep apply_form(UnicodeForm form);
NormalizerStep replace_text(std::string pattern, std::string content);  // `pattern` is not empty.
// Runs of at least `count_min` characters: of `character`, or of white space when that is 0.
NormalizerStep replace_runs(char32_t character, std::size_t count_min, std::string content);
NormalizerStep strip_space(bool left, bool right);
NormalizerStep strip_accents();  // Drops combining marks of all kinds.
NormalizerStep to_lower();
NormalizerStep prepend(std::string prefix);  // To texts that are not empty.

}  // namespace ragtime::encoder
