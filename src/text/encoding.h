// Character encodings: bytes of a text file to UTF-8. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ragtime::text {

struct DecodedText {
  std::string text;      // UTF-8, \n line ends, no byte order mark, no NUL.
  std::string encoding;  // "UTF-8", "GB18030", "Big5", "Shift_JIS", "UTF-16LE" …
};

// UTF-8 when valid, else what the byte order mark or ICU's detector says.
// Errors: unsupported when the bytes are binary or no encoding fits.
Result<DecodedText> decode_text(std::string_view bytes);

// A guess from the first bytes: NULs and control characters that no text has.
bool looks_binary(std::string_view bytes);

}  // namespace ragtime::text
