// How far a model's vocabulary covers a query: the fusion's weight for the dense arm is multiplied by it.
//
// Pure.
#pragma once

#include <string_view>

#include "encoder/embedder.h"

namespace ragtime::engine {

// 0..1: the share of the letters that are not CJK, for a model that does not cover CJK; else 1.
float script_coverage(const encoder::EmbedderInfo& model, std::string_view query);

}  // namespace ragtime::engine
