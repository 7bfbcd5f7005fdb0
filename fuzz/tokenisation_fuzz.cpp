#include <array>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "encoder/tokenizer.h"
#include "targets.h"

namespace {

using ragtime::encoder::Tokenizer;

std::unique_ptr<Tokenizer> load(const char* name) {
  auto tokenizer =
      ragtime::encoder::load_tokenizer(std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests/data/tokenizer" / name);
  RAGTIME_CHECK(tokenizer.has_value());
  return std::move(*tokenizer);
}

}  // namespace

int ragtime::fuzz::tokenisation(const std::uint8_t* data, std::size_t size) {
  static const std::array kTokenizers = {load("wordpiece"), load("unigram"), load("byte_level_bpe")};
  if (size == 0) return 0;
  const Tokenizer& tokenizer = *kTokenizers[data[0] % kTokenizers.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto all = tokenizer.encode(text, 1'000'000);
  for (const auto id : all) RAGTIME_CHECK(id >= 0 && id <= tokenizer.id_max());
  // What is cut is a prefix of the whole, up to the last special token.
  const auto cut = tokenizer.encode(text, 8);
  RAGTIME_CHECK(cut.size() <= 8);
  for (std::size_t i = 0; i + 1 < cut.size(); ++i) RAGTIME_CHECK(cut[i] == all[i]);
  RAGTIME_CHECK(tokenizer.encode_pair(text, text.substr(text.size() / 2), 10).ids.size() <= 10);
  return 0;
}

RAGTIME_FUZZ_ENTRY(tokenisation);
