// The file of retrieval.user_words: one word a line in UTF-8; empty lines and those that begin with # do not count.
//
// Thread safety: a pure function but for reading the file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "text/query.h"

namespace ragtime::server {

inline constexpr std::size_t kUserWordsBytesMax = 8u << 20;

// Never null. Every message names the setting and the file.
// Errors: not_found, unavailable (unreadable, no regular file), too_large, invalid_argument (not UTF-8).
Result<std::shared_ptr<const text::UserWords>> read_user_words(const std::filesystem::path& file);

}  // namespace ragtime::server
