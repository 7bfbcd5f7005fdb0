#include "encoder/text_encoder.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "encoder/batcher.h"
#include "encoder/bert_encoder.h"
#include "encoder/encoder_model.h"
#include "encoder/text_tokens.h"

namespace ragtime::encoder {
namespace {

constexpr std::size_t kCjkEntriesForSearch = 5'000;  // bert-base-uncased has some 600, bert-base-chinese 14,000.

class TextEncoder final : public Embedder {
 public:
  TextEncoder(EncoderModel model, std::string name, async::ThreadPool& compute, const EncoderConfig& config);

  const EmbedderInfo& info() const override { return info_; }
  Task<Result<Embeddings>> embed(std::vector<std::string> texts, EmbedPurpose purpose,
                                 RequestContext& context) override;
  Task<Result<Embeddings>> embed_ids(std::vector<TokenSequence> texts, RequestContext& context) override;
  bool has_token_vectors() const override { return true; }
  Task<Result<TokenVectors>> embed_tokens(std::vector<std::string> texts, EmbedPurpose purpose,
                                          RequestContext& context) override;

 private:
  const std::string& prompt(EmbedPurpose purpose) const;
  Result<TokenSequence> framed(const TokenSequence& text) const;
  Task<Result<Embeddings>> embed_sequences(std::vector<TokenSequence> sequences, EmbedPurpose purpose,
                                           RequestContext& context);
  TokenVectors without_special(std::span<const TokenSequence> sequences, std::vector<float> states) const;
  void embed_pass(const Batcher::PassInput& input) const;

  EncoderModel model_;
  EmbedderInfo info_;
  TextTokens tokens_;
  const TokenSequence special_;  // What the model puts around a text.
  Batcher batcher_;
};

EmbedderInfo describe(const EncoderModel& model, std::string name) {
  EmbedderInfo info;
  info.model = std::move(name);
  info.dimensions = model.config.bert.hidden;
  info.tokens_max = model.config.tokens_max;
  info.covers_cjk = model.tokenizer->cjk_entries() >= kCjkEntriesForSearch;
  return info;
}

TextEncoder::TextEncoder(EncoderModel model, std::string name, async::ThreadPool& compute, const EncoderConfig& config)
    : model_(std::move(model)),
      info_(describe(model_, std::move(name))),
      tokens_(*model_.tokenizer, model_.config.tokens_max, compute),
      special_(model_.tokenizer->encode("", model_.config.tokens_max)),
      batcher_([this](const Batcher::PassInput& input) { embed_pass(input); }, info_.dimensions, info_.model, compute,
               config) {}

void TextEncoder::embed_pass(const Batcher::PassInput& input) const {
  const std::vector<float> hidden = model_.bert.encode(input.sequences, {}, nullptr, input.breathe);
  const float* states = hidden.data();
  for (std::size_t i = 0; i < input.sequences.size(); ++i) {
    const std::size_t size = input.sequences[i].size() * info_.dimensions;
    if (input.row_counts[i] > 1) {
      std::copy_n(states, size, input.rows[i]);
    } else {
      const std::span<float> row(input.rows[i], info_.dimensions);
      pool(model_.config.pooling, {states, size}, row);
      if (model_.config.normalize) normalize(row);
    }
    states += size;
  }
}

const std::string& TextEncoder::prompt(EmbedPurpose purpose) const {
  return purpose == EmbedPurpose::query ? model_.config.query_prompt : model_.config.document_prompt;
}

Task<Result<Embeddings>> TextEncoder::embed(std::vector<std::string> texts, EmbedPurpose purpose,
                                            RequestContext& context) {
  RAGTIME_CO_TRY(auto tokenized, co_await tokens_.encode(prompt(purpose), std::move(texts), context));
  co_return co_await embed_sequences(std::move(tokenized.sequences), purpose, context);
}

Task<Result<Embeddings>> TextEncoder::embed_ids(std::vector<TokenSequence> texts, RequestContext& context) {
  for (TokenSequence& text : texts) {
    RAGTIME_CO_TRY(text, framed(text));
  }
  co_return co_await embed_sequences(std::move(texts), EmbedPurpose::document, context);
}

Task<Result<Embeddings>> TextEncoder::embed_sequences(std::vector<TokenSequence> sequences, EmbedPurpose purpose,
                                                      RequestContext& context) {
  Embeddings out;
  out.dimensions = info_.dimensions;
  for (const TokenSequence& sequence : sequences) out.token_counts.push_back(sequence.size());
  RAGTIME_CO_TRY(out.values, co_await batcher_.run(std::move(sequences), {}, purpose, context));
  co_return std::move(out);
}

// Between the special tokens, as tokens_.encode() gives a text; cut where it would cut.
Result<TokenSequence> TextEncoder::framed(const TokenSequence& text) const {
  const TokenId id_max = model_.tokenizer->id_max();
  for (const TokenId id : text) {
    if (id >= 0 && id <= id_max) continue;
    return make_error(
        ErrorCode::invalid_argument,
        "Invalid 'input': token id " + std::to_string(id) + " is not in the vocabulary of '" + info_.model +
            "', which ends at " + std::to_string(id_max) +
            "; ids are those of the model itself. Send strings (LangChain: check_embedding_ctx_length=False).",
        "input");
  }
  const auto opening = static_cast<std::ptrdiff_t>(special_.size() / 2);
  const auto kept = static_cast<std::ptrdiff_t>(std::min(text.size(), model_.config.tokens_max - special_.size()));
  TokenSequence out(special_.begin(), special_.begin() + opening);
  out.insert(out.end(), text.begin(), text.begin() + kept);
  out.insert(out.end(), special_.begin() + opening, special_.end());
  return out;
}

// `states` has a row per token, special ones included.
TokenVectors TextEncoder::without_special(std::span<const TokenSequence> sequences, std::vector<float> states) const {
  TokenVectors out;
  out.dimensions = info_.dimensions;
  const float* from = states.data();
  float* to = states.data();
  for (const TokenSequence& sequence : sequences) {
    for (const TokenId id : sequence) {
      if (std::find(special_.begin(), special_.end(), id) == special_.end()) {
        std::copy_n(from, out.dimensions, to);
        normalize({to, out.dimensions});
        to += out.dimensions;
      }
      from += out.dimensions;
    }
    out.ends.push_back(static_cast<std::size_t>(to - states.data()) / out.dimensions);
  }
  states.resize(static_cast<std::size_t>(to - states.data()));
  out.values = std::move(states);
  return out;
}

Task<Result<TokenVectors>> TextEncoder::embed_tokens(std::vector<std::string> texts, EmbedPurpose purpose,
                                                     RequestContext& context) {
  RAGTIME_CO_TRY(const auto tokenized, co_await tokens_.encode(prompt(purpose), std::move(texts), context));
  auto sequences = tokenized.sequences;
  RAGTIME_CO_TRY(auto states, co_await batcher_.run(std::move(sequences), {}, EmbedPurpose::query, context,
                                                    Batcher::Rows::per_token));
  co_return without_special(tokenized.sequences, std::move(states));
}

}  // namespace

Result<std::unique_ptr<Embedder>> open_embedder(const std::filesystem::path& directory, std::string name,
                                                async::ThreadPool& compute, const EncoderConfig& config) {
  RAGTIME_TRY(auto model, load_encoder_model(directory, ModelHead::none, config.precision));
  return std::unique_ptr<Embedder>(std::make_unique<TextEncoder>(std::move(model), std::move(name), compute, config));
}

}  // namespace ragtime::encoder
