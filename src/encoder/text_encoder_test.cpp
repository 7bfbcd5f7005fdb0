#include "encoder/text_encoder.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "encoder/bert_encoder.h"
#include "encoder/encoder_model.h"
#include "encoder/test_model.h"
#include "telemetry/metrics.h"

namespace ragtime::encoder {
namespace {

using testing::HasSubstr;

using Matrix = std::vector<std::vector<double>>;

// BERT from its definition, in double precision, without any thought of speed.
class NaiveBert {
 public:
  explicit NaiveBert(const TestModel& model) : model_(model) {}

  Matrix encode(const TokenSequence& tokens) const {
    Matrix x;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::vector<double> row;
      for (std::size_t j = 0; j < model_.hidden; ++j) {
        row.push_back(at("embeddings.word_embeddings.weight", static_cast<std::size_t>(tokens[i]), j) +
                      at("embeddings.position_embeddings.weight", i, j) +
                      at("embeddings.token_type_embeddings.weight", 0, j));
      }
      x.push_back(norm("embeddings.LayerNorm", row));
    }
    for (std::size_t i = 0; i < model_.layers; ++i) x = layer("encoder.layer." + std::to_string(i) + ".", x);
    return x;
  }

 private:
  double at(const std::string& name, std::size_t row, std::size_t column) const {
    const TestTensor& tensor = model_.tensors.at(name);
    return tensor.values.at(row * tensor.shape.back() + column);
  }

  std::vector<double> norm(const std::string& name, std::vector<double> row) const {
    double mean = 0;
    double variance = 0;
    for (double v : row) mean += v / static_cast<double>(row.size());
    for (double v : row) variance += (v - mean) * (v - mean) / static_cast<double>(row.size());
    for (std::size_t j = 0; j < row.size(); ++j) {
      row[j] = (row[j] - mean) / std::sqrt(variance + 1e-12) * at(name + ".weight", 0, j) + at(name + ".bias", 0, j);
    }
    return row;
  }

  std::vector<double> dense(const std::string& name, const std::vector<double>& row) const {
    std::vector<double> out;
    for (std::size_t o = 0; o < model_.tensors.at(name + ".bias").shape[0]; ++o) {
      double sum = at(name + ".bias", 0, o);
      for (std::size_t i = 0; i < row.size(); ++i) sum += at(name + ".weight", o, i) * row[i];
      out.push_back(sum);
    }
    return out;
  }

  Matrix dense(const std::string& name, const Matrix& x) const {
    Matrix out;
    for (const auto& row : x) out.push_back(dense(name, row));
    return out;
  }

  Matrix attention(const std::string& name, const Matrix& x) const {
    const Matrix q = dense(name + "query", x);
    const Matrix k = dense(name + "key", x);
    const Matrix v = dense(name + "value", x);
    const std::size_t width = model_.hidden / model_.heads;
    Matrix out(x.size(), std::vector<double>(model_.hidden));
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t head = 0; head < model_.heads; ++head) {
        std::vector<double> scores;
        double total = 0;
        for (std::size_t j = 0; j < x.size(); ++j) {
          double dot = 0;
          for (std::size_t d = head * width; d < (head + 1) * width; ++d) dot += q[i][d] * k[j][d];
          scores.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
          total += scores.back();
        }
        for (std::size_t j = 0; j < x.size(); ++j) {
          for (std::size_t d = head * width; d < (head + 1) * width; ++d) out[i][d] += scores[j] / total * v[j][d];
        }
      }
    }
    return out;
  }

  double activate(double v) const {
    if (model_.activation == "relu") return std::max(v, 0.0);
    if (model_.activation == "gelu_new") {
      return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    }
    return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
  }

  Matrix add_and_norm(const std::string& name, const Matrix& a, const Matrix& b) const {
    Matrix out = a;
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < a[i].size(); ++j) out[i][j] += b[i][j];
      out[i] = norm(name, out[i]);
    }
    return out;
  }

  Matrix layer(const std::string& name, const Matrix& x) const {
    const Matrix attended = dense(name + "attention.output.dense", attention(name + "attention.self.", x));
    const Matrix y = add_and_norm(name + "attention.output.LayerNorm", x, attended);
    Matrix wide = dense(name + "intermediate.dense", y);
    for (auto& row : wide) {
      for (double& v : row) v = activate(v);
    }
    return add_and_norm(name + "output.LayerNorm", y, dense(name + "output.dense", wide));
  }

  const TestModel& model_;
};

class TextEncoderTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) / ("text_encoder_test." + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Embedder> open(const TestModel& model) {
    model.write(directory_);
    auto embedder = open_embedder(directory_, "tiny", pool_, exact_);
    if (embedder.has_error()) ADD_FAILURE() << embedder.error().message;
    return std::move(*embedder);
  }

  std::string open_error() {
    const auto embedder = open_embedder(directory_, "tiny", pool_);
    return embedder.has_error() ? embedder.error().message : "no error";
  }

  Embeddings embed(Embedder& embedder, std::vector<std::string> texts, EmbedPurpose purpose = EmbedPurpose::document) {
    return std::move(async::sync_wait(embedder.embed(std::move(texts), purpose, context_))).value();
  }

  std::filesystem::path directory_;
  EncoderConfig exact_{.precision = Precision::f32};
  async::ThreadPool pool_{{.name = "test", .threads = 3}};
  RequestContext context_{"request", "tenant", Deadline::never()};
};

TokenSequence random_tokens(std::mt19937& random, std::size_t length) {
  TokenSequence tokens(length);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 24);
  return tokens;
}

void expect_close(const std::vector<float>& actual, const Matrix& expected, std::size_t first_row) {
  const std::size_t width = expected[0].size();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      ASSERT_NEAR(actual[(first_row + i) * width + j], expected[i][j], 2e-4) << "row " << i << " column " << j;
    }
  }
}

// Lengths around the row steps and tiles of the oneDNN operations, several sequences in one call.
TEST_F(TextEncoderTest, HiddenStatesEqualTheDefinition) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const char* activation : {"gelu", "gelu_new", "relu"}) {
    TestModel model(seed);
    model.activation = activation;
    model.write(directory_);
    const auto config = load_model_config(directory_);
    const std::string bytes = to_safetensors(model.tensors);
    const auto bert = BertEncoder::load(*Safetensors::parse(bytes, "m"), config->bert);
    ASSERT_TRUE(bert) << bert.error().message;
    std::vector<TokenSequence> sequences;
    const bool thorough = model.activation == "gelu";
    for (std::size_t length :
         thorough ? std::vector<std::size_t>{1, 2, 15, 16, 17, 127, 130, 3} : std::vector<std::size_t>{5, 17}) {
      sequences.push_back(random_tokens(random, length));
    }
    const std::vector<float> hidden = bert->encode(sequences);
    std::size_t row = 0;
    for (const TokenSequence& sequence : sequences) {
      expect_close(hidden, NaiveBert(model).encode(sequence), row);
      row += sequence.size();
    }
    EXPECT_EQ(hidden.size(), row * model.hidden);
  }
}

TEST_F(TextEncoderTest, PoolsAndNormalisesAsTheModelSays) {
  for (const std::string pooling : {"mean_tokens", "cls_token", "max_tokens"}) {
    TestModel model(5);
    model.pooling = pooling;
    model.normalize = pooling != "mean_tokens";
    const auto embedder = open(model);
    const Embeddings out = embed(*embedder, {"the quick fox."});
    const Matrix hidden = NaiveBert(model).encode({2, 5, 6, 8, 12, 3});
    std::vector<double> expected(model.hidden, pooling == "max_tokens" ? -1e9 : 0);
    for (std::size_t i = 0; i < (pooling == "cls_token" ? 1 : hidden.size()); ++i) {
      for (std::size_t j = 0; j < model.hidden; ++j) {
        expected[j] = pooling == "max_tokens" ? std::max(expected[j], hidden[i][j]) : expected[j] + hidden[i][j];
      }
    }
    double length = 0;
    for (double& v : expected) v /= pooling == "mean_tokens" ? 6 : 1;
    for (double v : expected) length += v * v;
    for (std::size_t j = 0; j < model.hidden; ++j) {
      EXPECT_NEAR(out.row(0)[j], expected[j] / (model.normalize ? std::sqrt(length) : 1), 1e-4) << pooling;
    }
    std::filesystem::remove_all(directory_);
  }
}

TEST_F(TextEncoderTest, ManyTextsEqualSingleTextsInOrder) {
  const auto embedder = open(TestModel(6));
  std::mt19937 random(7);
  const std::vector<std::string> words = {"the", "quick ", "fox, ", "jumped ", "你好", "zzz ", "abc "};
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 75; ++i) {
    std::string text;
    for (std::size_t j = random() % 60; j > 0; --j) text += words[random() % words.size()];
    texts.push_back(text);
  }
  const Embeddings all = embed(*embedder, texts);
  ASSERT_EQ(all.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Embeddings one = embed(*embedder, {texts[i]});
    EXPECT_EQ(all.token_counts[i], one.token_counts[0]);
    for (std::size_t j = 0; j < all.dimensions; ++j) ASSERT_NEAR(all.row(i)[j], one.row(0)[j], 1e-5) << i;
  }
}

TEST_F(TextEncoderTest, IdsOfATextGiveTheTextsVector) {
  const auto embedder = open(TestModel(5));
  const Embeddings text = embed(*embedder, {"the quick fox."});
  const std::vector<TokenSequence> ids = {{5, 6, 8, 12}};
  const auto same = async::sync_wait(embedder->embed_ids(ids, context_));
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->token_counts, text.token_counts);
  for (std::size_t j = 0; j < text.dimensions; ++j) EXPECT_NEAR(same->row(0)[j], text.row(0)[j], 1e-5);
  const std::vector<TokenSequence> endless = {TokenSequence(10'000, 5)};
  EXPECT_EQ(async::sync_wait(embedder->embed_ids(endless, context_))->token_counts[0], embedder->info().tokens_max);
}

TEST_F(TextEncoderTest, IdsOutsideTheVocabularyAreNamed) {
  const auto embedder = open(TestModel(5));
  for (const TokenId id : {TokenId{-1}, TokenId{100'000}}) {
    const std::vector<TokenSequence> ids = {{5, id}};
    const auto refused = async::sync_wait(embedder->embed_ids(ids, context_));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(refused.error().message, testing::HasSubstr(std::to_string(id)));
  }
}

TEST_F(TextEncoderTest, TokenVectorsAreTheHiddenStatesOfTheTextsOwnTokens) {
  TestModel model(5);
  model.normalize = false;
  const auto embedder = open(model);
  ASSERT_TRUE(embedder->has_token_vectors());
  const std::vector<std::string> texts = {"the quick fox.", "", "dog"};
  const auto out = async::sync_wait(embedder->embed_tokens(texts, EmbedPurpose::document, context_));
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(out->ends, testing::ElementsAre(4, 4, 5));
  EXPECT_EQ(out->rows(1).size(), 0u);
  const Matrix first = NaiveBert(model).encode({2, 5, 6, 8, 12, 3});
  const Matrix last = NaiveBert(model).encode({2, 16, 3});
  const std::vector<std::vector<double>> expected = {first[1], first[2], first[3], first[4], last[1]};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double length = 0;
    for (double v : expected[i]) length += v * v;
    for (std::size_t j = 0; j < model.hidden; ++j) {
      EXPECT_NEAR(out->values[i * model.hidden + j], expected[i][j] / std::sqrt(length), 1e-4) << i << " " << j;
    }
  }
}

TEST_F(TextEncoderTest, TokenVectorsOfManyTextsEqualThoseOfSingleTexts) {
  const auto embedder = open(TestModel(6));
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int j = 0; j < (i * 7) % 30; ++j) text += (i + j) % 3 == 0 ? "fox " : "jumped ";
    texts.push_back(text);
  }
  const auto all = async::sync_wait(embedder->embed_tokens(texts, EmbedPurpose::document, context_)).value();
  ASSERT_EQ(all.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string> single = {texts[i]};
    const auto one = async::sync_wait(embedder->embed_tokens(single, EmbedPurpose::document, context_)).value();
    ASSERT_EQ(all.rows(i).size(), one.rows(0).size()) << i;
    for (std::size_t j = 0; j < one.values.size(); ++j) ASSERT_NEAR(all.rows(i)[j], one.values[j], 1e-5) << i;
  }
}

TEST_F(TextEncoderTest, TokenVectorsKeepPromptAndCancellation) {
  TestModel(10).write(directory_);
  write_file(directory_ / "config_sentence_transformers.json", R"({"prompts":{"query":"quick "}})");
  const auto embedder = std::move(*open_embedder(directory_, "tiny", pool_));
  const std::vector<std::string> texts = {"fox"};
  EXPECT_EQ(async::sync_wait(embedder->embed_tokens(texts, EmbedPurpose::query, context_))->ends[0], 2u);
  EXPECT_EQ(async::sync_wait(embedder->embed_tokens(texts, EmbedPurpose::document, context_))->ends[0], 1u);
  context_.cancel();
  const auto refused = async::sync_wait(embedder->embed_tokens(texts, EmbedPurpose::query, context_));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::cancelled);
}

TEST_F(TextEncoderTest, CountsTokensAndTruncates) {
  const auto embedder = open(TestModel(8));
  std::string with_end;
  for (int i = 0; i < 400; ++i) with_end += "fox ";
  const Embeddings out = embed(*embedder, {"", "fox dog", with_end, with_end + "dog"});
  EXPECT_THAT(out.token_counts, testing::ElementsAre(2, 4, 160, 160));
  EXPECT_TRUE(std::equal(out.row(2).begin(), out.row(2).end(), out.row(3).begin()));
}

TEST_F(TextEncoderTest, NoTextsGiveNoRows) {
  const auto embedder = open(TestModel(8));
  EXPECT_EQ(embed(*embedder, {}).size(), 0u);
}

TEST_F(TextEncoderTest, InfoDescribesTheModel) {
  TestModel model(9);
  const auto embedder = open(model);
  EXPECT_EQ(embedder->info().model, "tiny");
  EXPECT_EQ(embedder->info().dimensions, 24u);
  EXPECT_EQ(embedder->info().tokens_max, 160u);
  EXPECT_FALSE(embedder->info().covers_cjk);
}

TEST_F(TextEncoderTest, OwnTokenLimitWins) {
  TestModel(9).write(directory_);
  write_file(directory_ / "tokenizer_config.json", R"({"model_max_length":50})");
  EXPECT_EQ((*open_embedder(directory_, "tiny", pool_))->info().tokens_max, 50u);
  write_file(directory_ / "sentence_bert_config.json", R"({"max_seq_length":20})");
  EXPECT_EQ((*open_embedder(directory_, "tiny", pool_))->info().tokens_max, 20u);
}

TEST_F(TextEncoderTest, PromptsDependOnThePurpose) {
  TestModel(10).write(directory_);
  write_file(directory_ / "config_sentence_transformers.json",
             R"({"prompts":{"query":"quick ","passage":"lazy brown "}})");
  const auto embedder = std::move(*open_embedder(directory_, "tiny", pool_));
  EXPECT_EQ(embed(*embedder, {"fox"}, EmbedPurpose::query).token_counts[0], 4u);
  EXPECT_EQ(embed(*embedder, {"fox"}, EmbedPurpose::document).token_counts[0], 5u);
}

TEST_F(TextEncoderTest, ACancelledCallSaysSo) {
  const auto embedder = open(TestModel(11));
  context_.cancel();
  const auto out = async::sync_wait(embedder->embed({"fox"}, EmbedPurpose::query, context_));
  ASSERT_TRUE(out.has_error());
  EXPECT_EQ(out.error().code, ErrorCode::cancelled);
}

TEST_F(TextEncoderTest, CoarserPrecisionsComeClose) {
  std::vector<std::string> texts;
  for (int i = 1; i < 40; ++i) {
    std::string text;
    for (int j = 0; j < i; ++j) text += (j * i) % 3 == 0 ? "the " : (j + i) % 4 == 0 ? "lazy " : "fox ";
    texts.push_back(text);
  }
  const Embeddings exact = embed(*open(TestModel(14)), texts);
  for (const auto& [precision, least] : {std::pair(Precision::bf16, 0.999), std::pair(Precision::int8, 0.995)}) {
    if (choose_precision(precision).has_error()) continue;
    EncoderConfig config;
    config.precision = precision;
    const auto coarse = open_embedder(directory_, "tiny", pool_, config);
    ASSERT_TRUE(coarse) << coarse.error().message;
    const Embeddings out = embed(**coarse, texts);
    EXPECT_NE(out.values, exact.values);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      double dot = 0;
      for (std::size_t j = 0; j < out.dimensions; ++j) dot += static_cast<double>(out.row(i)[j]) * exact.row(i)[j];
      EXPECT_GE(dot, least) << precision_name(precision) << " text " << i;
    }
  }
}

TEST_F(TextEncoderTest, CountsWhatItComputes) {
  telemetry::Metrics metrics;
  exact_.metrics = &metrics;
  const auto embedder = open(TestModel(14));
  embed(*embedder, {"fox dog", "the"});
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr(R"(ragtime_encoder_tokens_total{model="tiny"} 7)"));
  EXPECT_THAT(text, HasSubstr(R"(ragtime_encoder_batch_tokens_count{model="tiny"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(ragtime_encoder_queue_seconds_count{model="tiny"} 1)"));
}

TEST_F(TextEncoderTest, ARerankerScoresPairs) {
  TestModel model(15);
  model.add_classifier(16);
  model.write(directory_);
  std::filesystem::remove(directory_ / "modules.json");
  const auto reranker = open_reranker(directory_, "cross", pool_, exact_);
  ASSERT_TRUE(reranker) << reranker.error().message;
  EXPECT_EQ((*reranker)->info().model, "cross");
  EXPECT_EQ((*reranker)->info().tokens_max, 160u);
  const std::vector<std::string> documents = {"lazy dog", "the fox jumps over", "", "lazy dog"};
  const auto scores = async::sync_wait((*reranker)->score("quick fox", documents, context_));
  ASSERT_TRUE(scores) << scores.error().message;
  ASSERT_EQ(scores->logits.size(), documents.size());
  EXPECT_EQ(scores->logits[0], scores->logits[3]);
  EXPECT_NE(scores->logits[0], scores->logits[1]);

  const auto loaded = load_encoder_model(directory_, ModelHead::classifier, Precision::f32);
  ASSERT_TRUE(loaded) << loaded.error().message;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const TokenPair pair = loaded->tokenizer->encode_pair("quick fox", documents[i], 160);
    EXPECT_EQ(pair.types.back(), 1) << "BERT marks the second text";
    const std::vector<TokenSequence> ids = {pair.ids};
    const std::vector<std::vector<std::int32_t>> types = {pair.types};
    const auto hidden = loaded->bert.encode(ids, types);
    EXPECT_NEAR(scores->logits[i], loaded->head->score({hidden.data(), model.hidden}), 1e-5);
    tokens += pair.ids.size();
  }
  EXPECT_EQ(scores->tokens, tokens);
}

TEST_F(TextEncoderTest, ARerankerNeedsAClassifier) {
  TestModel(1).write(directory_);
  const auto reranker = open_reranker(directory_, "tiny", pool_);
  ASSERT_TRUE(reranker.has_error());
  EXPECT_THAT(reranker.error().message, HasSubstr("pooler.dense.weight is missing"));
}

TEST_F(TextEncoderTest, ManyCallsAtOnceDoNotDisturbEachOther) {
  const auto embedder = open(TestModel(12));
  const Embeddings expected = embed(*embedder, {"the quick fox", "lazy dog"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      RequestContext context("request", "tenant", Deadline::never());
      for (int i = 0; i < 20; ++i) {
        const auto out =
            async::sync_wait(embedder->embed({"the quick fox", "lazy dog"}, EmbedPurpose::document, context));
        ASSERT_TRUE(out);
        ASSERT_EQ(out->values, expected.values);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(TextEncoderTest, NamesTheMissingFile) {
  EXPECT_THAT(open_error(), HasSubstr("config.json: No such file"));
  TestModel(1).write(directory_);
  std::filesystem::remove(directory_ / "model.safetensors");
  EXPECT_THAT(open_error(), HasSubstr("model.safetensors: No such file"));
}

TEST_F(TextEncoderTest, NamesTheBadTensor) {
  const std::string name = "encoder.layer.1.attention.self.key.weight";
  TestModel model(1);
  model.tensors[name].values[3] = std::numeric_limits<float>::infinity();
  model.write(directory_);
  EXPECT_THAT(open_error(), testing::AllOf(HasSubstr("model.safetensors"), HasSubstr(name), HasSubstr("infinity")));
  model.tensors[name].shape = {12, 48};
  model.write(directory_);
  EXPECT_THAT(open_error(), HasSubstr(name + " has shape [12, 48], expected [24, 24]"));
  model.tensors.erase(name);
  model.write(directory_);
  EXPECT_THAT(open_error(), HasSubstr(name + " is missing"));
}

TEST_F(TextEncoderTest, ATruncatedFileIsNoticed) {
  TestModel model(1);
  model.write(directory_);
  const auto path = directory_ / "model.safetensors";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_THAT(open_error(), HasSubstr("truncated"));
}

TEST_F(TextEncoderTest, OlderTensorNamesWork) {
  TestModel model(13);
  const Embeddings expected = embed(*open(model), {"fox"});
  TestTensors renamed;
  for (auto& [name, tensor] : model.tensors) {
    std::string old = "bert." + name;
    if (const auto at = old.find("LayerNorm.weight"); at != std::string::npos) old.replace(at, 16, "LayerNorm.gamma");
    if (const auto at = old.find("LayerNorm.bias"); at != std::string::npos) old.replace(at, 14, "LayerNorm.beta");
    renamed[old] = tensor;
  }
  model.tensors = renamed;
  EXPECT_EQ(embed(*open(model), {"fox"}).values, expected.values);
}

struct BadConfig {
  const char* name;
  const char* file;
  const char* content;
  const char* message;
};

class BadModelConfig : public TextEncoderTest, public testing::WithParamInterface<BadConfig> {};

TEST_P(BadModelConfig, IsRefusedByName) {
  TestModel(1).write(directory_);
  write_file(directory_ / GetParam().file, GetParam().content);
  EXPECT_THAT(open_error(), HasSubstr(GetParam().message));
  EXPECT_THAT(open_error(), HasSubstr((directory_ / GetParam().file).string()));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadModelConfig,
    testing::Values(
        BadConfig{"architecture", "config.json", R"({"model_type":"llama"})",
                  "the architecture llama is not supported"},
        BadConfig{"no_architecture", "config.json", "{}", "architecture none"},
        BadConfig{"positions", "config.json", R"({"model_type":"bert","position_embedding_type":"relative_key"})",
                  "positions of type relative_key"},
        BadConfig{"no_size", "config.json", R"({"model_type":"bert"})", "\"hidden_size\" is missing"},
        BadConfig{"huge", "config.json", R"({"model_type":"bert","hidden_size":99999999999})",
                  "whole number from 1 to"},
        BadConfig{"negative", "config.json", R"({"model_type":"bert","hidden_size":-1})", "whole number from 1 to"},
        BadConfig{"heads", "config.json",
                  R"({"model_type":"bert","hidden_size":24,"num_hidden_layers":2,"num_attention_heads":5,)"
                  R"("intermediate_size":40,"vocab_size":24,"max_position_embeddings":160,"type_vocab_size":2})",
                  "not a multiple of num_attention_heads"},
        BadConfig{"roberta_positions", "config.json",
                  R"({"model_type":"roberta","hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,)"
                  R"("intermediate_size":40,"vocab_size":24,"max_position_embeddings":4,"type_vocab_size":1})",
                  "leaves too few positions"},
        BadConfig{"activation", "config.json",
                  R"({"model_type":"bert","hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,)"
                  R"("intermediate_size":40,"vocab_size":24,"max_position_embeddings":160,"type_vocab_size":2,)"
                  R"("hidden_act":"silu"})",
                  "the activation silu"},
        BadConfig{"not_json", "config.json", "hello", "not valid JSON"},
        BadConfig{"module", "modules.json", R"([{"path":"2_Dense","type":"sentence_transformers.models.Dense"}])",
                  "the module Dense is not supported"},
        BadConfig{"module_outside", "modules.json", R"([{"path":"../x","type":"a.Transformer"}])", "outside"},
        BadConfig{"modules_object", "modules.json", "{}", "does not hold a JSON array"},
        BadConfig{"pooling", "1_Pooling/config.json", R"({"pooling_mode_lasttoken":true})", "pooling by lasttoken"},
        BadConfig{"two_poolings", "1_Pooling/config.json",
                  R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true})", "exactly one pooling mode"},
        BadConfig{"limit", "sentence_bert_config.json", R"({"max_seq_length":1})", "at least 3"},
        BadConfig{"limit_type", "sentence_bert_config.json", R"({"max_seq_length":"x"})", "must be a number"}),
    [](const auto& each) { return each.param.name; });

TEST_F(TextEncoderTest, MoreTokensThanEmbeddingsAreRefused) {
  TestModel model(1);
  model.write(directory_);
  std::ofstream(directory_ / "vocab.txt", std::ios::app) << "surplus\n";
  EXPECT_THAT(open_error(), HasSubstr("more tokens than vocab_size"));
}

}  // namespace
}  // namespace ragtime::encoder
