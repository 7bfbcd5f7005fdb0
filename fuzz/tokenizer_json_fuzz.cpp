#include <string_view>
#include <utility>

#include <boost/json/parse.hpp>

#include "encoder/tokenizer_json.h"
#include "targets.h"

int ragtime::fuzz::tokenizer_json(const std::uint8_t* data, std::size_t size) {
  boost::system::error_code failure;
  auto value = boost::json::parse({reinterpret_cast<const char*>(data), size}, failure);
  if (failure || !value.is_object()) return 0;
  const auto file = encoder::JsonFile::part("fuzz/tokenizer.json", std::move(value.get_object()));
  const auto tokenizer = encoder::make_tokenizer(file);
  if (tokenizer.has_error()) return 0;
  constexpr std::string_view kText = " Caf\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD, it's <s> 12\xCC\x81\n";
  static_cast<void>((*tokenizer)->encode(kText, 64));
  static_cast<void>((*tokenizer)->encode_pair(kText, kText, 9));
  return 0;
}

RAGTIME_FUZZ_ENTRY(tokenizer_json);
