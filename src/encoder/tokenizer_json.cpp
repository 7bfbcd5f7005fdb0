#include "encoder/tokenizer_json.h"

#include <cmath>
#include <optional>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "encoder/byte_level_bpe.h"
#include "encoder/unigram.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

constexpr std::size_t kStepsDepthMax = 8;

std::string to_string(const json::string& text) {
  return {text.data(), text.size()};
}

Result<void> collect_steps(const JsonFile& part, std::string_view key, std::string_view list, std::size_t depth,
                           std::vector<JsonFile>& out) {
  RAGTIME_TRY(const auto type, part.text_or("type", ""));
  if (type != "Sequence") {
    out.push_back(part);
    return {};
  }
  const json::value* steps = part.find(list);
  if (steps == nullptr || !steps->is_array() || depth == kStepsDepthMax) {
    return part.wrong(key, "is a Sequence without parts, or too deep");
  }
  for (const json::value& step : steps->get_array()) {
    if (!step.is_object()) return part.wrong(key, "has a part that is not an object");
    RAGTIME_TRY_DONE(collect_steps(JsonFile::part(part.path(), step.get_object()), key, list, depth + 1, out));
  }
  return {};
}

Result<AddedToken> parse_added_token(const JsonFile& file, const json::value& value) {
  if (!value.is_object()) return file.wrong("added_tokens", "has an entry that is not an object");
  const auto entry = JsonFile::part(file.path(), value.get_object());
  AddedToken token;
  RAGTIME_TRY(token.content, entry.text_or("content", ""));
  if (token.content.empty()) return file.wrong("added_tokens", "has an entry without content");
  RAGTIME_TRY(const double id, entry.number_or("id", -1));
  if (!(id >= 0 && id <= kTokenIdMax && id == std::floor(id))) {
    return file.wrong("added_tokens", "has a bad id for the token " + token.content);
  }
  token.id = static_cast<TokenId>(id);
  RAGTIME_TRY(token.single_word, entry.flag_or("single_word", false));
  RAGTIME_TRY(token.left_strip, entry.flag_or("lstrip", false));
  RAGTIME_TRY(token.right_strip, entry.flag_or("rstrip", false));
  RAGTIME_TRY(token.normalized, entry.flag_or("normalized", false));
  return token;
}

Result<PipelineConfig> parse_pipeline(const JsonFile& file) {
  PipelineConfig pipeline;
  RAGTIME_TRY(pipeline.added_tokens, parse_added_tokens(file));
  RAGTIME_TRY(pipeline.normalizer, parse_text_normalizer(file));
  RAGTIME_TRY(pipeline.sequence, parse_post_processor(file));
  return pipeline;
}

// Unigram.

Result<void> parse_metaspace(const JsonFile& part, UnigramConfig& config) {
  config.use_separator = true;
  RAGTIME_TRY(config.separator, part.text_or("replacement", config.separator));
  if (config.separator.empty()) return part.wrong("replacement", "of Metaspace must not be empty");
  RAGTIME_TRY(config.split_at_separator, part.flag_or("split", true));
  RAGTIME_TRY(const bool prefix, part.flag_or("add_prefix_space", true));
  RAGTIME_TRY(const auto scheme, part.text_or("prepend_scheme", prefix ? "always" : "never"));
  if (scheme == "always") {
    config.prefix = PrefixScheme::always;
  } else if (scheme == "first") {
    config.prefix = PrefixScheme::first;
  } else if (scheme == "never") {
    config.prefix = PrefixScheme::never;
  } else {
    return part.wrong("prepend_scheme", "must be always, first or never");
  }
  return {};
}

Result<void> parse_unigram_words(const JsonFile& file, UnigramConfig& config) {
  RAGTIME_TRY(const auto steps, parse_steps(file, "pre_tokenizer", "pretokenizers"));
  config.use_separator = false;
  for (const JsonFile& step : steps) {
    RAGTIME_TRY(const auto type, step.text_or("type", ""));
    if (type == "Metaspace" && !config.use_separator) {
      RAGTIME_TRY_DONE(parse_metaspace(step, config));
    } else if (type == "WhitespaceSplit" && !config.use_separator) {
      config.split_at_space = true;
    } else {
      return unsupported(file, "pre_tokenizer", type + " in this place");
    }
  }
  return {};
}

Result<void> parse_pieces(const JsonFile& file, UnigramConfig& config) {
  RAGTIME_TRY(const json::value* vocabulary, find_in_model(file, "vocab"));
  if (!vocabulary->is_array()) return file.wrong("vocab", "must be an array of pieces with scores");
  const json::array& entries = vocabulary->get_array();
  if (entries.size() > static_cast<std::size_t>(kTokenIdMax)) return file.wrong("vocab", "has too many pieces");
  for (const json::value& entry : entries) {
    const json::array* pair = entry.if_array();
    if (pair == nullptr || pair->size() != 2 || !pair->front().is_string() || !pair->back().is_number()) {
      return file.wrong(
          "vocab", "has an entry that is not a piece with its score, number " + std::to_string(config.pieces.size()));
    }
    config.pieces.push_back(to_string(pair->front().get_string()));
    config.scores.push_back(pair->back().to_number<double>());
  }
  return {};
}

Result<std::unique_ptr<Tokenizer>> make_unigram(const JsonFile& file, const JsonFile& model) {
  UnigramConfig config;
  RAGTIME_TRY_DONE(parse_unigram_words(file, config));
  RAGTIME_TRY_DONE(parse_pieces(file, config));
  RAGTIME_TRY(const double unknown, model.number_or("unk_id", -1));
  if (!(unknown >= 0 && unknown < static_cast<double>(config.pieces.size()))) {
    return file.wrong("unk_id", "must be the number of a piece");
  }
  config.unknown = static_cast<TokenId>(unknown);
  RAGTIME_TRY(config.byte_fallback, model.flag_or("byte_fallback", false));
  RAGTIME_TRY(config.pipeline, parse_pipeline(file));
  RAGTIME_TRY(auto tokenizer, Unigram::create(std::move(config)));
  return std::unique_ptr<Tokenizer>(std::make_unique<Unigram>(std::move(tokenizer)));
}

// Byte-level BPE.

Result<void> parse_byte_level(const JsonFile& file, ByteLevelBpeConfig& config) {
  RAGTIME_TRY(const auto steps, parse_steps(file, "pre_tokenizer", "pretokenizers"));
  if (steps.size() != 1) return unsupported(file, "pre_tokenizer", "other than one ByteLevel with a BPE model");
  RAGTIME_TRY(const auto type, steps.front().text_or("type", ""));
  if (type != "ByteLevel") return unsupported(file, "pre_tokenizer", type + " with a BPE model (ByteLevel is)");
  RAGTIME_TRY(config.prefix_space, steps.front().flag_or("add_prefix_space", true));
  RAGTIME_TRY(config.split_words, steps.front().flag_or("use_regex", true));
  return {};
}

std::optional<std::pair<std::string, std::string>> parse_merge(const json::value& value) {
  if (const json::string* text = value.if_string()) {
    const std::string both = to_string(*text);
    const std::size_t space = both.find(' ');
    if (space == std::string::npos || both.find(' ', space + 1) != std::string::npos) return std::nullopt;
    return std::pair(both.substr(0, space), both.substr(space + 1));
  }
  const json::array* pair = value.if_array();
  if (pair == nullptr || pair->size() != 2 || !pair->front().is_string() || !pair->back().is_string()) {
    return std::nullopt;
  }
  return std::pair(to_string(pair->front().get_string()), to_string(pair->back().get_string()));
}

Result<void> parse_merges(const JsonFile& file, ByteLevelBpeConfig& config) {
  RAGTIME_TRY(const json::value* merges, find_in_model(file, "merges"));
  if (!merges->is_array()) return file.wrong("merges", "must be an array");
  for (const json::value& value : merges->get_array()) {
    auto merge = parse_merge(value);
    if (!merge) {
      return file.wrong("merges",
                        "has an entry that is not two tokens, number " + std::to_string(config.merges.size()));
    }
    config.merges.push_back(std::move(*merge));
  }
  return {};
}

Result<void> refuse_bpe_options(const JsonFile& file, const JsonFile& model) {
  RAGTIME_TRY(const double dropout, model.number_or("dropout", 0));
  if (dropout != 0) return unsupported(file, "dropout", "in a BPE model");
  RAGTIME_TRY(const bool byte_fallback, model.flag_or("byte_fallback", false));
  if (byte_fallback) return unsupported(file, "byte_fallback", "in a BPE model");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    RAGTIME_TRY(const auto text, model.text_or(key, ""));
    if (!text.empty()) return unsupported(file, key, "in a BPE model");
  }
  return {};
}

Result<std::unique_ptr<Tokenizer>> make_byte_level_bpe(const JsonFile& file, const JsonFile& model) {
  ByteLevelBpeConfig config;
  RAGTIME_TRY_DONE(refuse_bpe_options(file, model));
  RAGTIME_TRY_DONE(parse_byte_level(file, config));
  RAGTIME_TRY(const json::value* vocabulary, find_in_model(file, "vocab"));
  RAGTIME_TRY(config.vocabulary, parse_vocabulary(file, *vocabulary));
  RAGTIME_TRY_DONE(parse_merges(file, config));
  RAGTIME_TRY(config.unknown, model.text_or("unk_token", ""));
  RAGTIME_TRY(config.fuse_unknown, model.flag_or("fuse_unk", false));
  RAGTIME_TRY(config.ignore_merges, model.flag_or("ignore_merges", false));
  RAGTIME_TRY(config.pipeline, parse_pipeline(file));
  auto tokenizer = ByteLevelBpe::create(std::move(config));
  if (tokenizer.has_error()) {
    return make_error(tokenizer.error().code, file.path().string() + ": " + tokenizer.error().message);
  }
  return std::unique_ptr<Tokenizer>(std::make_unique<ByteLevelBpe>(std::move(*tokenizer)));
}

}  // namespace

Error unsupported(const JsonFile& file, std::string_view key, std::string_view what) {
  return make_error(ErrorCode::unsupported, file.path().string() + ": \"" + std::string(key) +
                                                "\": " + std::string(what) + " is not supported");
}

Result<std::vector<JsonFile>> parse_steps(const JsonFile& file, std::string_view key, std::string_view list) {
  std::vector<JsonFile> steps;
  if (!file.contains(key)) return steps;
  RAGTIME_TRY(const auto part, file.object_or_empty(key));
  RAGTIME_TRY_DONE(collect_steps(part, key, list, 0, steps));
  return steps;
}

Result<JsonFile> parse_model_options(const JsonFile& file) {
  const json::value* model = file.find("model");
  if (model == nullptr || !model->is_object()) return file.wrong("model", "must be an object");
  json::object options;
  for (const auto& entry : model->get_object()) {
    if (entry.key() != "vocab" && entry.key() != "merges") options.emplace(entry.key(), entry.value());
  }
  return JsonFile::part(file.path(), std::move(options));
}

Result<const json::value*> find_in_model(const JsonFile& file, std::string_view key) {
  const json::value* model = file.find("model");
  if (model == nullptr || !model->is_object()) return file.wrong("model", "must be an object");
  const json::value* found = model->get_object().if_contains(json::string_view(key.data(), key.size()));
  if (found == nullptr) return file.wrong(key, "is missing");
  return found;
}

Result<std::vector<AddedToken>> parse_added_tokens(const JsonFile& file) {
  std::vector<AddedToken> out;
  const json::value* tokens = file.find("added_tokens");
  if (tokens == nullptr) return out;
  if (!tokens->is_array()) return file.wrong("added_tokens", "must be an array");
  for (const json::value& value : tokens->get_array()) {
    RAGTIME_TRY(auto token, parse_added_token(file, value));
    out.push_back(std::move(token));
  }
  return out;
}

Result<std::unique_ptr<Tokenizer>> make_tokenizer(const JsonFile& file) {
  RAGTIME_TRY(const auto model, parse_model_options(file));
  // Old files do not name the type; only BPE has merges.
  const bool has_merges = find_in_model(file, "merges").has_value();
  RAGTIME_TRY(const auto type, model.text_or("type", has_merges ? "BPE" : "none"));
  if (type == "Unigram") return make_unigram(file, model);
  if (type == "BPE") return make_byte_level_bpe(file, model);
  if (type != "WordPiece") return unsupported(file, "model", "type " + type + " (WordPiece, Unigram and BPE are)");
  RAGTIME_TRY(auto tokenizer, WordPiece::from_json(file));
  return std::unique_ptr<Tokenizer>(std::make_unique<WordPiece>(std::move(tokenizer)));
}

}  // namespace ragtime::encoder
