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
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#else
bool has_avx512() {
  return false;
}
bool has_vnni() {
  return false;
}
#endif

}  // namespace

bool has_avx512_bf16() {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 5)) != 0;
#else
  return false;
#endif
}

std::optional<Precision> parse_precision(std::string_view name) {
  for (const auto& [precision, known] : kNames) {
    if (known == name) return precision;
  }
  return std::nullopt;
}

std::string_view precision_name(Precision precision) {
  return kNames[static_cast<std::size_t>(precision)].second;
}

Result<Precision> choose_precision(Precision wanted) {
  switch (wanted) {
    case Precision::automatic:
      if (has_avx512_bf16()) return Precision::bf16;
      return has_vnni() ? Precision::int8 : Precision::f32;
    case Precision::f32:
      break;
    case Precision::bf16:
      if (!has_avx512()) return make_error(ErrorCode::unsupported, "precision bf16 needs a processor with AVX-512");
      break;
    case Precision::int8:
      if (!has_vnni()) return make_error(ErrorCode::unsupported, "precision int8 needs a processor with AVX512-VNNI");
      break;
  }
  return wanted;
}

}  // namespace ragtime::encoder
