#include "encoder/tokenizer.h"

#include <utility>

#include "encoder/wordpiece.h"

namespace ragtime::encoder {

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::filesystem::path& directory) {
  RAGTIME_TRY(auto tokenizer, WordPiece::load(directory));
  return std::unique_ptr<Tokenizer>(std::make_unique<WordPiece>(std::move(tokenizer)));
}

}  // namespace ragtime::encoder
