#include "encoder/sentencepiece_model.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>

#include "encoder/charsmap.h"

namespace ragtime::encoder {
namespace {

constexpr std::size_t kPiecesMax = 4'000'000;

enum class WireType { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  WireType type = WireType::varint;
  std::uint64_t value = 0;  // Of a number.
  std::string_view bytes;
};

Error damaged(std::string_view what) {
  return make_error(ErrorCode::corrupt, "the SentencePiece model is damaged: " + std::string(what));
}

// Reads the fields of one message, one after the other.
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  Result<Field> next() {
    RAGTIME_TRY(const auto tag, varint());
    Field field;
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.type = static_cast<WireType>(tag & 7);
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFF'FFFF) return damaged("a field has a wrong number");
    switch (field.type) {
      case WireType::varint: {
        RAGTIME_TRY(field.value, varint());
        return field;
      }
      case WireType::bytes: {
        RAGTIME_TRY(const auto size, varint());
        RAGTIME_TRY(field.bytes, take(size));
        return field;
      }
      case WireType::fixed32:
      case WireType::fixed64: {
        RAGTIME_TRY(const auto bytes, take(field.type == WireType::fixed32 ? 4 : 8));
        for (std::size_t i = bytes.size(); i-- > 0;)
          field.value = field.value << 8 | static_cast<unsigned char>(bytes[i]);
        return field;
      }
    }
    return damaged("a field has an unknown type");
  }

 private:
  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return damaged("a number does not end");
  }

  Result<std::string_view> take(std::uint64_t size) {
    if (size > rest_.size()) return damaged("a field reaches beyond the end");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
};

Result<void> parse_piece(std::string_view bytes, SentencePieceModel& model) {
  if (model.pieces.size() >= kPiecesMax) return damaged("it has too many pieces");
  std::string piece;
  double score = 0;
  for (MessageReader reader(bytes); !reader.done();) {
    RAGTIME_TRY(const Field field, reader.next());
    if (field.number == 1 && field.type == WireType::bytes) piece = field.bytes;
    if (field.number == 2 && field.type == WireType::fixed32) {
      score = static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
    }
  }
  if (!std::isfinite(score)) return damaged("the score of the piece " + piece + " is not finite");
  model.pieces.push_back(std::move(piece));
  model.scores.push_back(score);
  return {};
}

Result<void> parse_trainer(std::string_view bytes, SentencePieceModel& model) {
  for (MessageReader reader(bytes); !reader.done();) {
    RAGTIME_TRY(const Field field, reader.next());
    if (field.number != 3 || field.type != WireType::varint) continue;
    if (field.value < 1 || field.value > 4) return damaged("model_type is unknown");
    model.kind = static_cast<SentencePieceModel::Kind>(field.value);
  }
  return {};
}

Result<void> parse_normalizer(std::string_view bytes, SentencePieceModel& model) {
  for (MessageReader reader(bytes); !reader.done();) {
    RAGTIME_TRY(const Field field, reader.next());
    if (field.number == 2 && field.type == WireType::bytes) model.charsmap = field.bytes;
  }
  return {};
}

std::vector<AddedToken> xlm_roberta_tokens(TokenId mask) {
  std::vector<AddedToken> tokens;
  for (const char* content : {"<s>", "<pad>", "</s>", "<unk>"}) {
    AddedToken token;
    token.content = content;
    token.id = static_cast<TokenId>(tokens.size());
    tokens.push_back(std::move(token));
  }
  AddedToken last;
  last.content = "<mask>";
  last.id = mask;
  last.left_strip = true;
  tokens.push_back(std::move(last));
  return tokens;
}

}  // namespace

Result<SentencePieceModel> parse_sentencepiece_model(std::string_view bytes) {
  SentencePieceModel model;
  for (MessageReader reader(bytes); !reader.done();) {
    RAGTIME_TRY(const Field field, reader.next());
    if (field.type != WireType::bytes) continue;
    if (field.number == 1) RAGTIME_TRY_DONE(parse_piece(field.bytes, model));
    if (field.number == 2) RAGTIME_TRY_DONE(parse_trainer(field.bytes, model));
    if (field.number == 3) RAGTIME_TRY_DONE(parse_normalizer(field.bytes, model));
  }
  if (model.pieces.empty()) return damaged("it has no pieces");
  return model;
}

Result<Unigram> make_xlm_roberta(SentencePieceModel model) {
  constexpr std::size_t kOwnPieces = 3;  // <unk>, <s>, </s>
  if (model.kind != SentencePieceModel::Kind::unigram) {
    return make_error(ErrorCode::unsupported, "the SentencePiece model's model_type is not unigram");
  }
  if (model.pieces.size() <= kOwnPieces) return damaged("it has no pieces besides <unk>, <s> and </s>");
  RAGTIME_TRY(auto charsmap, Charsmap::parse(model.charsmap));
  UnigramConfig config;
  config.pieces = {"<s>", "<pad>", "</s>", "<unk>"};
  config.scores = {0, 0, 0, 0};
  config.pieces.insert(config.pieces.end(), std::make_move_iterator(model.pieces.begin() + kOwnPieces),
                       std::make_move_iterator(model.pieces.end()));
  config.scores.insert(config.scores.end(), model.scores.begin() + kOwnPieces, model.scores.end());
  const auto mask = static_cast<TokenId>(config.pieces.size());
  config.pieces.push_back("<mask>");
  config.scores.push_back(0);
  config.unknown = 3;
  config.pipeline.added_tokens = xlm_roberta_tokens(mask);
  config.pipeline.normalizer.add(apply_charsmap(std::move(charsmap)));
  config.pipeline.normalizer.add(strip_space(false, true));
  config.pipeline.normalizer.add(replace_runs(U' ', 2, config.separator));
  config.pipeline.sequence = SequenceTemplate::roberta(0, 2);
  return Unigram::create(std::move(config));
}

}  // namespace ragtime::encoder
