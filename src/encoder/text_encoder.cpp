#include "encoder/text_encoder.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "async/task_group.h"
#include "encoder/bert_encoder.h"
#include "encoder/mapped_file.h"
#include "encoder/model_config.h"
#include "encoder/safetensors.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

constexpr std::size_t kTextsPerJob = 16;
constexpr std::size_t kTokensPerPass = 1024;         // Bounds the memory of a forward pass.
constexpr std::size_t kCjkEntriesForSearch = 5'000;  // bert-base-uncased has some 600, bert-base-chinese 14,000.

struct Model {
  ModelConfig config;
  WordPiece tokenizer;
  BertEncoder bert;
};

Result<Model> load_model(const std::filesystem::path& directory) {
  RAGTIME_TRY(auto config, load_model_config(directory));
  RAGTIME_TRY(auto tokenizer, WordPiece::load(config.transformer_directory));
  if (static_cast<std::size_t>(tokenizer.id_max()) >= config.bert.vocabulary) {
    return make_error(ErrorCode::corrupt, config.transformer_directory.string() +
                                              ": the tokenizer has more tokens than vocab_size in config.json says");
  }
  const auto path = config.transformer_directory / "model.safetensors";
  RAGTIME_TRY(const auto file, MappedFile::open(path));
  RAGTIME_TRY(const auto weights, Safetensors::parse(file.bytes(), path.string()));
  RAGTIME_TRY(auto bert, BertEncoder::load(weights, config.bert));
  return Model{std::move(config), std::move(tokenizer), std::move(bert)};
}

// One call to embed(): the texts, and the rows that workers fill, each its own.
struct Batch {
  std::vector<std::string> texts;
  std::string_view prompt;
  Embeddings out;
  std::size_t next = 0;  // The first text that no worker has taken; used on the caller's executor only.
  std::optional<Error> failure;
};

class TextEncoder final : public Embedder {
 public:
  TextEncoder(Model model, std::string name, async::ThreadPool& compute);

  const EmbedderInfo& info() const override { return info_; }
  Task<Result<Embeddings>> embed(std::vector<std::string> texts, EmbedPurpose purpose,
                                 RequestContext& context) override;

 private:
  Task<> work(Batch& batch, RequestContext& context);
  Result<void> embed_range(Batch& batch, std::size_t begin, std::size_t end) const;
  void embed_pass(std::span<const TokenSequence> sequences, float* rows) const;

  Model model_;
  EmbedderInfo info_;
  async::ThreadPool& compute_;
};

TextEncoder::TextEncoder(Model model, std::string name, async::ThreadPool& compute)
    : model_(std::move(model)), compute_(compute) {
  info_.model = std::move(name);
  info_.dimensions = model_.config.bert.hidden;
  info_.tokens_max = model_.config.tokens_max;
  info_.covers_cjk = model_.tokenizer.cjk_entries() >= kCjkEntriesForSearch;
}

void TextEncoder::embed_pass(std::span<const TokenSequence> sequences, float* rows) const {
  const std::vector<float> hidden = model_.bert.encode(sequences);
  const float* states = hidden.data();
  for (const TokenSequence& sequence : sequences) {
    const std::span<float> row(rows, info_.dimensions);
    const std::size_t size = sequence.size() * info_.dimensions;
    pool(model_.config.pooling, {states, size}, row);
    if (model_.config.normalize) normalize(row);
    states += size;
    rows += info_.dimensions;
  }
}

Result<void> TextEncoder::embed_range(Batch& batch, std::size_t begin, std::size_t end) const {
  std::vector<TokenSequence> sequences;
  std::size_t tokens = 0;
  std::size_t first = begin;
  const auto run = [&] {
    if (!sequences.empty()) embed_pass(sequences, batch.out.values.data() + first * info_.dimensions);
    first += sequences.size();
    sequences.clear();
    tokens = 0;
  };
  for (std::size_t i = begin; i < end; ++i) {
    auto sequence = model_.tokenizer.encode(std::string(batch.prompt) + batch.texts[i], info_.tokens_max);
    batch.out.token_counts[i] = sequence.size();
    if (tokens + sequence.size() > kTokensPerPass) run();
    tokens += sequence.size();
    sequences.push_back(std::move(sequence));
  }
  run();
  return {};
}

// Takes groups of texts until none is left or one has failed.
Task<> TextEncoder::work(Batch& batch, RequestContext& context) {
  while (batch.next < batch.texts.size() && !batch.failure) {
    const std::size_t begin = batch.next;
    const std::size_t end = std::min(begin + kTextsPerJob, batch.texts.size());
    batch.next = end;
    auto job = [this, &batch, begin, end] { return embed_range(batch, begin, end); };
    const Result<void> done = co_await compute_.run(context, std::move(job));
    if (done.has_error() && !batch.failure) batch.failure = done.error();
  }
}

Task<Result<Embeddings>> TextEncoder::embed(std::vector<std::string> texts, EmbedPurpose purpose,
                                            RequestContext& context) {
  Batch batch;
  batch.prompt = purpose == EmbedPurpose::query ? model_.config.query_prompt : model_.config.document_prompt;
  batch.out.dimensions = info_.dimensions;
  batch.out.values.resize(texts.size() * info_.dimensions);
  batch.out.token_counts.resize(texts.size());
  batch.texts = std::move(texts);

  const std::size_t jobs = (batch.texts.size() + kTextsPerJob - 1) / kTextsPerJob;
  async::TaskGroup workers(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < std::min(jobs, compute_.threads()); ++i) workers.spawn(work(batch, context));
  co_await workers.join();
  if (batch.failure) co_return std::move(*batch.failure);
  co_return std::move(batch.out);
}

}  // namespace

Result<std::unique_ptr<Embedder>> open_embedder(const std::filesystem::path& directory, std::string name,
                                                async::ThreadPool& compute) {
  RAGTIME_TRY(auto model, load_model(directory));
  return std::unique_ptr<Embedder>(std::make_unique<TextEncoder>(std::move(model), std::move(name), compute));
}

}  // namespace ragtime::encoder
