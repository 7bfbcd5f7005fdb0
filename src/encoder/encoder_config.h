// EncoderConfig: how an encoder computes and how much it queues.
//
// Thread safety: values.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace ragtime::telemetry {
class Metrics;
}

namespace ragtime::encoder {

// Of the linear layers' weights and inputs. Sums, normalisation, softmax and residuals are f32 throughout.
// int8 has one scale per output for weights, one scale and minimum per token for inputs.
enum class Precision { automatic, f32, bf16, int8 };

struct EncoderConfig {
  Precision precision = Precision::automatic;
  std::size_t batch_tokens_max = 512;         // Tokens of one forward pass; at least one text is always taken.
  std::size_t queue_texts_max = 16'384;       // Waiting texts of all calls; a call is refused once there are as many.
  std::chrono::microseconds batch_wait{200};  // How long a small batch waits for company while the encoder is busy.
  telemetry::Metrics* metrics = nullptr;      // Must outlive the encoder.
};

bool has_avx512_bf16();  // Whether this processor has bf16 vector instructions.

// What choosing a precision asks of a processor.
struct InstructionSets {
  bool avx512 = false;    // F, BW, VL and DQ.
  bool vnni = false;      // AVX512-VNNI.
  bool amx_bf16 = false;  // Tiles that the operating system saves.
};
InstructionSets this_processor();

// "auto", "f32", "bf16", "int8".
std::optional<Precision> parse_precision(std::string_view name);
std::string_view precision_name(Precision precision);

// What `wanted` means on a processor. Automatic: bf16 with AMX, else int8 with VNNI, else f32. bf16 without AMX is never
// the fastest: from one and a half times slower than f32 (Intel) to half as fast as int8 (AMD).
// Errors: unsupported (bf16 without AVX-512, int8 without VNNI).
Result<Precision> choose_precision(Precision wanted, const InstructionSets& processor = this_processor());

}  // namespace ragtime::encoder
