// Charsmap: SentencePiece's precompiled normalisation rules.
//
// The blob of `Precompiled` normalizers and of sentencepiece.bpe.model: the byte size of a double-array trie, the trie
// (32-bit units as in darts-clone), then its values, which are offsets of NUL-terminated texts behind it.
// Thread safety: immutable once parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::encoder {

class Charsmap {
 public:
  // Errors: corrupt. An empty blob has no rules.
  static Result<Charsmap> parse(std::string_view blob);

  // As Hugging Face tokenizers do it, not as SentencePiece does: a short grapheme cluster is replaced by the rule of
  // its shortest matching prefix, of longer ones each character is. Precondition: valid UTF-8.
  std::string normalize(std::string_view utf8) const;

 private:
  std::optional<std::string_view> find(std::string_view chunk) const;
  void append(std::string_view cluster, std::string& out) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace ragtime::encoder
