#include "encoder/encoder_config.h"

#include <array>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ragtime::encoder {
namespace {

constexpr std::array<std::pair<Precision, std::string_view>, 4> kNames = {
    {{Precision::automatic, "auto"}, {Precision::f32, "f32"}, {Precision::bf16, "bf16"}, {Precision::int8, "int8"}}};

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned part) {
  Registers out;
  if (__get_cpuid_count(leaf, part, &out.a, &out.b, &out.c, &out.d) == 0) return {};
  return out;
}

bool saves_tiles() {
  constexpr unsigned kSavedByXsave = 1u << 27, kTileState = 3u << 17;
  if ((cpuid(1, 0).c & kSavedByXsave) == 0) return false;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState;
}
#endif

}  // namespace

#if defined(__x86_64__)
InstructionSets this_processor() {
  constexpr unsigned kAmxBf16 = 1u << 22;
  InstructionSets sets;
  sets.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  sets.vnni = sets.avx512 && __builtin_cpu_supports("avx512vnni");
  sets.amx_bf16 = sets.avx512 && (cpuid(7, 0).d & kAmxBf16) != 0 && saves_tiles();
  return sets;
}

bool has_avx512_bf16() {
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  return this_processor().avx512 && (cpuid(7, 1).a & kAvx512Bf16) != 0;
}
#else
InstructionSets this_processor() {
  return {};
}

bool has_avx512_bf16() {
  return false;
}
#endif

std::optional<Precision> parse_precision(std::string_view name) {
  for (const auto& [precision, known] : kNames) {
    if (known == name) return precision;
  }
  return std::nullopt;
}

std::string_view precision_name(Precision precision) {
  return kNames[static_cast<std::size_t>(precision)].second;
}

Result<Precision> choose_precision(Precision wanted, const InstructionSets& processor) {
  switch (wanted) {
    case Precision::automatic:
      if (processor.amx_bf16) return Precision::bf16;
      return processor.vnni ? Precision::int8 : Precision::f32;
    case Precision::f32:
      break;
    case Precision::bf16:
      if (!processor.avx512) return make_error(ErrorCode::unsupported, "precision bf16 needs a processor with AVX-512");
      break;
    case Precision::int8:
      if (!processor.vnni) return make_error(ErrorCode::unsupported, "precision int8 needs a processor with AVX512-VNNI");
      break;
  }
  return wanted;
}

}  // namespace ragtime::encoder
