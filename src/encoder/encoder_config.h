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

// "auto", "f32", "bf16", "int8".
std::optional<Precision> parse_precision(std::string_view name);
std::string_view precision_name(Precision precision);

// What `wanted` means on this processor. Automatic: bf16 where it has instructions for it (AMX or AVX512-BF16), else
// int8 with VNNI, else f32. Errors: unsupported (bf16 without AVX-512, int8 without VNNI).
Result<Precision> choose_precision(Precision wanted);

}  // namespace ragtime::encoder
