#include <span>
#include <utility>
#include <vector>

#include "encoder/batcher.h"
#include "encoder/encoder_model.h"
#include "encoder/text_encoder.h"
#include "encoder/text_tokens.h"

namespace ragtime::encoder {
namespace {

class CrossEncoder final : public Reranker {
 public:
  CrossEncoder(EncoderModel model, std::string name, async::ThreadPool& compute, const EncoderConfig& config)
      : model_(std::move(model)),
        info_{std::move(name), model_.config.tokens_max},
        tokens_(*model_.tokenizer, model_.config.tokens_max, compute),
        batcher_([this](const Batcher::PassInput& input) { score_pass(input); }, 1, info_.model, compute, config) {}

  const RerankerInfo& info() const override { return info_; }
  Task<Result<RerankScores>> score(std::string query, std::vector<std::string> documents,
                                   RequestContext& context) override;

 private:
  void score_pass(const Batcher::PassInput& input) const;

  EncoderModel model_;
  RerankerInfo info_;
  TextTokens tokens_;
  Batcher batcher_;
};

void CrossEncoder::score_pass(const Batcher::PassInput& input) const {
  const std::vector<float> hidden = model_.bert.encode(input.sequences, input.types);
  const std::size_t width = model_.config.bert.hidden;
  const float* states = hidden.data();
  for (std::size_t i = 0; i < input.sequences.size(); ++i) {
    *input.rows[i] = model_.head->score({states, width});
    states += input.sequences[i].size() * width;
  }
}

Task<Result<RerankScores>> CrossEncoder::score(std::string query, std::vector<std::string> documents,
                                               RequestContext& context) {
  RAGTIME_CO_TRY(auto pairs, co_await tokens_.encode_pairs(std::move(query), std::move(documents), context));
  RerankScores out;
  for (const TokenSequence& sequence : pairs.sequences) out.tokens += sequence.size();
  if (model_.config.bert.token_types == 1) pairs.types.clear();  // The model knows no segments.
  RAGTIME_CO_TRY(out.logits, co_await batcher_.run(std::move(pairs.sequences), std::move(pairs.types),
                                                   EmbedPurpose::query, context));
  co_return std::move(out);
}

}  // namespace

Result<std::unique_ptr<Reranker>> open_reranker(const std::filesystem::path& directory, std::string name,
                                                async::ThreadPool& compute, const EncoderConfig& config) {
  RAGTIME_TRY(auto model, load_encoder_model(directory, ModelHead::classifier, config.precision));
  return std::unique_ptr<Reranker>(std::make_unique<CrossEncoder>(std::move(model), std::move(name), compute, config));
}

}  // namespace ragtime::encoder
