// Identifiers and secrets from the operating system's random source.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <string>
#include <string_view>

namespace ragtime {

// `prefix` followed by 24 random letters and digits (142 bits), for example make_id("file-").
std::string make_id(std::string_view prefix);

// `length` random letters and digits, from the operating system; fit for keys.
std::string random_alphanumeric(std::size_t length);

}  // namespace ragtime
