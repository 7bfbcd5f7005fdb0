// Charset: bytes of an HTML page to UTF-8, by what the page says about itself. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ragtime::documents {

// Valid UTF-8 and byte order marks come first, then <meta charset>, then detection.
// Errors: unsupported when no encoding fits.
Result<std::string> decode_html(std::string_view bytes);

// "gbk" of <meta charset="gbk"> or <meta http-equiv=… content="…; charset=gbk"> in the first kilobytes; or empty.
std::string_view declared_charset(std::string_view html);

}  // namespace ragtime::documents
