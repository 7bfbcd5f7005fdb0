#include "encoder/tokenizer.h"

#include <string>
#include <utility>

#include "encoder/byte_level_bpe.h"
#include "encoder/json_file.h"
#include "encoder/mapped_file.h"
#include "encoder/sentencepiece_model.h"
#include "encoder/tokenizer_json.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

template <class T>
Result<std::unique_ptr<Tokenizer>> boxed(Result<T> tokenizer) {
  if (tokenizer.has_error()) return tokenizer.error();
  return std::unique_ptr<Tokenizer>(std::make_unique<T>(std::move(*tokenizer)));
}

Result<Unigram> load_sentencepiece(const std::filesystem::path& path) {
  RAGTIME_TRY(const auto file, MappedFile::open(path));
  auto model = parse_sentencepiece_model(file.bytes());
  auto tokenizer = model.has_value() ? make_xlm_roberta(std::move(*model)) : Result<Unigram>(model.error());
  if (tokenizer.has_value()) return tokenizer;
  return make_error(tokenizer.error().code, path.string() + ": " + tokenizer.error().message);
}

bool is_there(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::exists(path, failure);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::filesystem::path& directory) {
  if (is_there(directory / "tokenizer.json")) {
    RAGTIME_TRY(const auto file, JsonFile::open(directory / "tokenizer.json"));
    return make_tokenizer(file);
  }
  if (is_there(directory / "vocab.txt")) return boxed(WordPiece::load(directory));
  if (is_there(directory / "sentencepiece.bpe.model")) {
    return boxed(load_sentencepiece(directory / "sentencepiece.bpe.model"));
  }
  if (is_there(directory / "vocab.json")) return boxed(ByteLevelBpe::load(directory));
  return make_error(ErrorCode::not_found, directory.string() +
                                              " holds no tokenizer: neither tokenizer.json nor vocab.txt, "
                                              "sentencepiece.bpe.model or vocab.json with merges.txt");
}

}  // namespace ragtime::encoder
