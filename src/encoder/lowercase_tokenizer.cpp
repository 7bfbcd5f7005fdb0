#include "encoder/lowercase_tokenizer.h"

#include <string>
#include <utility>

#include <unicode/locid.h>
#include <unicode/unistr.h>

namespace ragtime::encoder {
namespace {

class LowercaseTokenizer final : public Tokenizer {
 public:
  explicit LowercaseTokenizer(std::unique_ptr<Tokenizer> inner) : inner_(std::move(inner)) {}

  TokenSequence encode(std::string_view text, std::size_t tokens_max) const override {
    auto unicode = icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
    std::string lower;
    unicode.toLower(icu::Locale::getRoot()).toUTF8String(lower);
    return inner_->encode(lower, tokens_max);
  }
  TokenPair encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max) const override {
    return inner_->encode_pair(first, second, tokens_max);
  }
  TokenId id_max() const override { return inner_->id_max(); }
  std::size_t cjk_entries() const override { return inner_->cjk_entries(); }

 private:
  std::unique_ptr<Tokenizer> inner_;
};

}  // namespace

std::unique_ptr<Tokenizer> lowercase_before(std::unique_ptr<Tokenizer> tokenizer) {
  return std::make_unique<LowercaseTokenizer>(std::move(tokenizer));
}

}  // namespace ragtime::encoder
