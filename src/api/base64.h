// Base64 (RFC 4648, with padding). Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

namespace ragtime::api {

std::string base64_encode(std::string_view bytes);

}  // namespace ragtime::api
