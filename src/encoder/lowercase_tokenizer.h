// Lower-cases texts before another tokenizer, as sentence-transformers does with do_lower_case.
//
// Thread safety: as Tokenizer.
#pragma once

#include <memory>

#include "encoder/tokenizer.h"

namespace ragtime::encoder {

// By Unicode's rules without a language. Pairs pass as they are: cross-encoders know no such setting.
std::unique_ptr<Tokenizer> lowercase_before(std::unique_ptr<Tokenizer> tokenizer);

}  // namespace ragtime::encoder
