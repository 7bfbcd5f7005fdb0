// Attributes: the small typed key-value maps that callers put on documents and filter searches by.
#pragma once

#include <map>
#include <string>
#include <variant>

namespace ragtime {

using AttributeValue = std::variant<std::string, double, bool>;
using Attributes = std::map<std::string, AttributeValue, std::less<>>;

// Limits of OpenAI's vector-store attributes and metadata.
inline constexpr std::size_t kAttributesMax = 16;
inline constexpr std::size_t kAttributeKeyCharsMax = 64;
inline constexpr std::size_t kAttributeValueCharsMax = 512;

}  // namespace ragtime
