// WordPiece::load: tokenizer.json and vocab.txt.
#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include <boost/json/array.hpp>

#include "encoder/json_file.h"
#include "encoder/mapped_file.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

constexpr std::size_t kWordCharsMax = 1'000;
constexpr TokenId kTokenIdMax = 4'000'000;

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

Result<void> parse_vocabulary(const JsonFile& model, WordPieceConfig& config) {
  RAGTIME_TRY(const auto vocabulary, model.object_or_empty("vocab"));
  std::set<TokenId> seen;
  for (const auto& entry : vocabulary.object()) {
    boost::system::error_code failure;
    const auto id = entry.value().to_number<TokenId>(failure);
    const std::string token(entry.key().data(), entry.key().size());
    if (failure || id < 0 || id > kTokenIdMax || !seen.insert(id).second) {
      return model.wrong("vocab", "has a bad or repeated id for the token " + token);
    }
    config.vocabulary.emplace_back(token, id);
  }
  return {};
}

Result<void> parse_model(const JsonFile& file, WordPieceConfig& config) {
  RAGTIME_TRY(const auto model, file.object_or_empty("model"));
  RAGTIME_TRY_DONE(check_type(model, "model", "WordPiece"));
  RAGTIME_TRY(config.unknown, model.text_or("unk_token", config.unknown));
  RAGTIME_TRY(config.continuing_prefix, model.text_or("continuing_subword_prefix", config.continuing_prefix));
  if (model.contains("max_input_chars_per_word")) {
    RAGTIME_TRY(config.word_chars_max, model.size("max_input_chars_per_word", kWordCharsMax));
  }
  return parse_vocabulary(model, config);
}

Result<std::pair<std::string, TokenId>> parse_added_token(const JsonFile& file, const json::value& value) {
  if (!value.is_object()) return file.wrong("added_tokens", "has an entry that is not an object");
  const auto entry = JsonFile::part(file.path(), value.get_object());
  RAGTIME_TRY(auto content, entry.text_or("content", ""));
  if (content.empty()) return file.wrong("added_tokens", "has an entry without content");
  RAGTIME_TRY(const double id, entry.number_or("id", -1));
  if (!(id >= 0 && id <= kTokenIdMax)) return file.wrong("added_tokens", "has a bad id for the token " + content);
  RAGTIME_TRY(const bool normalized, entry.flag_or("normalized", false));
  RAGTIME_TRY(const bool single_word, entry.flag_or("single_word", false));
  if (normalized || single_word) {
    return make_error(ErrorCode::unsupported,
                      file.path().string() + ": the added token " + content +
                          " is matched after normalisation or as a word, which is not supported");
  }
  return std::pair(std::move(content), static_cast<TokenId>(id));
}

Result<void> parse_added_tokens(const JsonFile& file, WordPieceConfig& config) {
  const json::value* tokens = file.find("added_tokens");
  if (tokens == nullptr) return {};
  if (!tokens->is_array()) return file.wrong("added_tokens", "must be an array");
  for (const json::value& value : tokens->get_array()) {
    RAGTIME_TRY(auto token, parse_added_token(file, value));
    config.special_tokens.push_back(std::move(token));
  }
  return {};
}

Result<WordPieceConfig> read_tokenizer_json(const std::filesystem::path& path) {
  RAGTIME_TRY(const auto file, JsonFile::open(path));
  WordPieceConfig config;
  RAGTIME_TRY(config.normalizer, parse_normalizer(file));
  RAGTIME_TRY(const auto splitter, file.object_or_empty("pre_tokenizer"));
  RAGTIME_TRY_DONE(check_type(splitter, "pre_tokenizer", "BertPreTokenizer"));
  RAGTIME_TRY_DONE(parse_model(file, config));
  RAGTIME_TRY_DONE(parse_added_tokens(file, config));
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
  std::copy_if(
      config.vocabulary.begin(), config.vocabulary.end(), std::back_inserter(config.special_tokens),
      [&](const auto& entry) { return std::find(kSpecial.begin(), kSpecial.end(), entry.first) != kSpecial.end(); });
  return config;
}

}  // namespace

Result<WordPiece> WordPiece::load(const std::filesystem::path& directory) {
  std::filesystem::path source = directory / "tokenizer.json";
  auto config = read_tokenizer_json(source);
  if (config.has_error() && config.error().code == ErrorCode::not_found) {
    source = directory / "vocab.txt";
    config = read_vocab_txt(directory);
    if (config.has_error() && config.error().code == ErrorCode::not_found) {
      return make_error(ErrorCode::not_found, directory.string() + " holds neither tokenizer.json nor vocab.txt");
    }
  }
  if (config.has_error()) return config.error();
  auto tokenizer = create(std::move(*config));
  if (tokenizer.has_error()) {
    return make_error(tokenizer.error().code, source.string() + ": " + tokenizer.error().message);
  }
  return tokenizer;
}

}  // namespace ragtime::encoder
