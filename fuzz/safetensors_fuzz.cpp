#include <string_view>

#include "encoder/safetensors.h"
#include "targets.h"

int ragtime::fuzz::safetensors(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(encoder::Safetensors::parse(bytes, "fuzz.safetensors"));
  return 0;
}

RAGTIME_FUZZ_ENTRY(safetensors);
