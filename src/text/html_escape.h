// Text as it stands in an HTML or SVG page: in an element, or in an attribute between double quotes.
//
// Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

namespace ragtime::text {

std::string escape_html(std::string_view text);

}  // namespace ragtime::text
