// WordPiece::load: tokenizer.json and vocab.txt.
#include <algorithm>
#include <array>
#include <unordered_set>

#include <boost/json/object.hpp>

#include "encoder/json_file.h"
#include "encoder/mapped_file.h"
#include "encoder/tokenizer_json.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

constexpr std::size_t kWordCharsMax = 1'000;

Result<void> check_type(const JsonFile& part, std::string_view key, std::string_view expected) {
  RAGTIME_TRY(const auto type, part.text_or("type", "none"));
  if (type == expected) return {};
  return make_error(ErrorCode::unsupported, part.path().string() + ": " + std::string(key) + " of type " + type +
                                                " is not supported (" + std::string(expected) + " is)");
}

Result<NormalizerOptions> parse_normalizer(const JsonFile& file) {
  RAGTIME_TRY(const auto part, file.object_or_empty("normalizer"));
  RAGTIME_TRY_DONE(check_type(part, "normalizer", "BertNormalizer"));
  NormalizerOptions options;
  RAGTIME_TRY(options.clean_text, part.flag_or("clean_text", true));
  RAGTIME_TRY(options.split_cjk, part.flag_or("handle_chinese_chars", true));
  RAGTIME_TRY(options.lowercase, part.flag_or("lowercase", true));
  RAGTIME_TRY(options.strip_accents, part.flag_or("strip_accents", options.lowercase));
  return options;
}

Result<void> parse_model(const JsonFile& file, WordPieceConfig& config) {
  RAGTIME_TRY(const auto model, parse_model_options(file));
  RAGTIME_TRY_DONE(check_type(model, "model", "WordPiece"));
  RAGTIME_TRY(config.unknown, model.text_or("unk_token", config.unknown));
  RAGTIME_TRY(config.continuing_prefix, model.text_or("continuing_subword_prefix", config.continuing_prefix));
  if (model.contains("max_input_chars_per_word")) {
    RAGTIME_TRY(config.word_chars_max, model.size("max_input_chars_per_word", kWordCharsMax));
  }
  RAGTIME_TRY(const json::value* vocabulary, find_in_model(file, "vocab"));
  RAGTIME_TRY(config.vocabulary, parse_vocabulary(file, *vocabulary));
  return {};
}

Result<std::vector<AddedToken>> parse_special_tokens(const JsonFile& file) {
  RAGTIME_TRY(auto tokens, parse_added_tokens(file));
  for (const AddedToken& token : tokens) {
    if (token.normalized) {
      return unsupported(file, "added_tokens", "the added token " + token.content + ", matched after normalisation,");
    }
  }
  return tokens;
}

Result<WordPieceConfig> parse_config(const JsonFile& file) {
  WordPieceConfig config;
  RAGTIME_TRY(config.normalizer, parse_normalizer(file));
  RAGTIME_TRY(const auto splitter, file.object_or_empty("pre_tokenizer"));
  RAGTIME_TRY_DONE(check_type(splitter, "pre_tokenizer", "BertPreTokenizer"));
  RAGTIME_TRY_DONE(parse_model(file, config));
  RAGTIME_TRY(config.special_tokens, parse_special_tokens(file));
  if (file.contains("post_processor")) {
    RAGTIME_TRY(config.sequence, parse_post_processor(file));
  }
  return config;
}

Result<NormalizerOptions> read_tokenizer_config(const std::filesystem::path& path) {
  RAGTIME_TRY(const auto file, JsonFile::open_or_empty(path));
  NormalizerOptions options;
  RAGTIME_TRY(options.lowercase, file.flag_or("do_lower_case", true));
  RAGTIME_TRY(options.split_cjk, file.flag_or("tokenize_chinese_chars", true));
  RAGTIME_TRY(options.strip_accents, file.flag_or("strip_accents", options.lowercase));
  return options;
}

Result<WordPieceConfig> read_vocab_txt(const std::filesystem::path& directory) {
  WordPieceConfig config;
  RAGTIME_TRY(config.normalizer, read_tokenizer_config(directory / "tokenizer_config.json"));
  RAGTIME_TRY(const auto file, MappedFile::open(directory / "vocab.txt"));
  std::string_view rest = file.bytes();
  for (TokenId id = 0; !rest.empty() && id <= kTokenIdMax; ++id) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    config.vocabulary.emplace_back(line, id);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  constexpr std::array<std::string_view, 5> kSpecial = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (const auto& [token, id] : config.vocabulary) {
    if (std::find(kSpecial.begin(), kSpecial.end(), token) == kSpecial.end()) continue;
    AddedToken special;
    special.content = token;
    special.id = id;
    config.special_tokens.push_back(std::move(special));
  }
  return config;
}

Result<WordPiece> name_file(Result<WordPiece> tokenizer, const std::filesystem::path& path) {
  if (!tokenizer.has_error()) return tokenizer;
  return make_error(tokenizer.error().code, path.string() + ": " + tokenizer.error().message);
}

}  // namespace

Result<std::vector<std::pair<std::string, TokenId>>> parse_vocabulary(const JsonFile& file,
                                                                      const json::value& vocabulary) {
  if (!vocabulary.is_object()) return file.wrong("vocab", "must be an object");
  std::vector<std::pair<std::string, TokenId>> out;
  std::unordered_set<TokenId> seen;
  for (const auto& entry : vocabulary.get_object()) {
    boost::system::error_code failure;
    const auto id = entry.value().to_number<TokenId>(failure);
    std::string token(entry.key().data(), entry.key().size());
    if (failure || id < 0 || id > kTokenIdMax || !seen.insert(id).second) {
      return file.wrong("vocab", "has a bad or repeated id for the token " + token);
    }
    out.emplace_back(std::move(token), id);
  }
  return out;
}

Result<WordPiece> WordPiece::from_json(const JsonFile& file) {
  RAGTIME_TRY(auto config, parse_config(file));
  return name_file(create(std::move(config)), file.path());
}

Result<WordPiece> WordPiece::load(const std::filesystem::path& directory) {
  const auto file = JsonFile::open(directory / "tokenizer.json");
  if (file.has_value()) return from_json(*file);
  if (file.error().code != ErrorCode::not_found) return file.error();
  auto config = read_vocab_txt(directory);
  if (config.has_error() && config.error().code == ErrorCode::not_found) {
    return make_error(ErrorCode::not_found, directory.string() + " holds neither tokenizer.json nor vocab.txt");
  }
  if (config.has_error()) return config.error();
  return name_file(create(std::move(*config)), directory / "vocab.txt");
}

}  // namespace ragtime::encoder
