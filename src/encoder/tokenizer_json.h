// tokenizer.json, the format of Hugging Face tokenizers: its parts as this module's own types.
//
// Errors everywhere: corrupt, unsupported; the message names the file and the key.
// Thread safety: pure.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "encoder/added_tokens.h"
#include "encoder/json_file.h"
#include "encoder/sequence_template.h"
#include "encoder/text_normalizer.h"
#include "encoder/tokenizer.h"

namespace ragtime::encoder {

inline constexpr TokenId kTokenIdMax = 4'000'000;

// The tokenizer that `file` describes: WordPiece, Unigram or byte-level BPE.
Result<std::unique_ptr<Tokenizer>> make_tokenizer(const JsonFile& file);

Result<std::vector<AddedToken>> parse_added_tokens(const JsonFile& file);
Result<TextNormalizer> parse_text_normalizer(const JsonFile& file);
// No special tokens where there is no post-processor.
Result<SequenceTemplate> parse_post_processor(const JsonFile& file);

// The model without its large parts: "vocab" and "merges".
Result<JsonFile> parse_model_options(const JsonFile& file);
// A member of the model that must be there.
Result<const boost::json::value*> find_in_model(const JsonFile& file, std::string_view key);

// The parts of a "Sequence", or the single part that is none; null has no parts. `list` is the key of a Sequence's
// parts.
Result<std::vector<JsonFile>> parse_steps(const JsonFile& file, std::string_view key, std::string_view list);
Error unsupported(const JsonFile& file, std::string_view key, std::string_view what);

}  // namespace ragtime::encoder
