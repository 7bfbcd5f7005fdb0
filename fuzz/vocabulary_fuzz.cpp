#include <string>
#include <string_view>
#include <utility>

#include "encoder/charsmap.h"
#include "encoder/sentencepiece_model.h"
#include "targets.h"

int ragtime::fuzz::vocabulary(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kText = " Caf\xC3\xA9 \xE4\xBD\xA0 \xEF\xBC\xA1 <mask>\t12\xCC\x81";
  if (const auto map = encoder::Charsmap::parse(bytes)) static_cast<void>(map->normalize(kText));
  auto model = encoder::parse_sentencepiece_model(bytes);
  if (model.has_error()) return 0;
  const auto tokenizer = encoder::make_xlm_roberta(std::move(*model));
  if (tokenizer.has_value()) static_cast<void>(tokenizer->encode(kText, 64));
  return 0;
}

RAGTIME_FUZZ_ENTRY(vocabulary);
