// ByteLevelBpe::load: vocab.json and merges.txt.
#include <algorithm>
#include <string>
#include <utility>

#include "encoder/byte_level_bpe.h"
#include "encoder/json_file.h"
#include "encoder/mapped_file.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

using Merges = std::vector<std::pair<std::string, std::string>>;

Result<Merges> read_merges(const std::filesystem::path& path) {
  RAGTIME_TRY(const auto file, MappedFile::open(path));
  Merges merges;
  std::string_view rest = file.bytes();
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return make_error(ErrorCode::corrupt, path.string() + ":" + std::to_string(number) + " is not two tokens");
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

// RoBERTa's own special tokens, as far as the vocabulary has them.
std::vector<AddedToken> special_tokens(const ByteLevelBpeConfig& config) {
  std::vector<AddedToken> out;
  for (const auto& [token, id] : config.vocabulary) {
    if (token != "<s>" && token != "</s>" && token != "<unk>" && token != "<pad>" && token != "<mask>") continue;
    AddedToken special;
    special.content = token;
    special.id = id;
    special.left_strip = token == "<mask>";
    out.push_back(std::move(special));
  }
  return out;
}

Result<TokenId> find_token(const std::vector<AddedToken>& tokens, std::string_view content,
                           const std::filesystem::path& path) {
  const auto found = std::find_if(tokens.begin(), tokens.end(), [&](const auto& t) { return t.content == content; });
  if (found != tokens.end()) return found->id;
  return make_error(ErrorCode::corrupt, path.string() + " lacks the token " + std::string(content));
}

}  // namespace

Result<ByteLevelBpe> ByteLevelBpe::load(const std::filesystem::path& directory) {
  ByteLevelBpeConfig config;
  RAGTIME_TRY(const auto vocabulary, read_json(directory / "vocab.json"));
  const auto file = JsonFile::part(directory / "vocab.json", {});
  RAGTIME_TRY(config.vocabulary, parse_vocabulary(file, vocabulary));
  RAGTIME_TRY(config.merges, read_merges(directory / "merges.txt"));
  RAGTIME_TRY(const auto options, JsonFile::open_or_empty(directory / "tokenizer_config.json"));
  RAGTIME_TRY(config.prefix_space, options.flag_or("add_prefix_space", false));
  config.pipeline.added_tokens = special_tokens(config);
  RAGTIME_TRY(const TokenId first, find_token(config.pipeline.added_tokens, "<s>", file.path()));
  RAGTIME_TRY(const TokenId last, find_token(config.pipeline.added_tokens, "</s>", file.path()));
  config.pipeline.sequence = SequenceTemplate::roberta(first, last);
  auto tokenizer = create(std::move(config));
  if (tokenizer.has_value()) return tokenizer;
  return make_error(tokenizer.error().code, (directory / "merges.txt").string() + ": " + tokenizer.error().message);
}

}  // namespace ragtime::encoder
