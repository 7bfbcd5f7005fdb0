// The JSON text in private columns: attributes, metadata and scopes. Private to storage.
//
// Decoding gives corrupt for anything that the encoding cannot have written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/attributes.h"
#include "base/result.h"
#include "storage/records.h"

namespace ragtime::storage {

// Numbers come back bit by bit the same: those that are not whole are kept as {"number": "0.3"}, because the JSON
// parser may miss the last bit of a fraction.
std::string encode_attributes(const Attributes& attributes);
Result<Attributes> decode_attributes(std::string_view json);

std::string encode_metadata(const Metadata& metadata);
Result<Metadata> decode_metadata(std::string_view json);

std::string encode_strings(const std::vector<std::string>& strings);
Result<std::vector<std::string>> decode_strings(std::string_view json);

}  // namespace ragtime::storage
