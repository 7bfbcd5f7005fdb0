// Remote embedders and rerankers against servers that answer exactly what the test tells them.

#include <functional>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/scripted_server.h"
#include "http/server_fixture.h"
#include "llm/balanced_pool.h"
#include "llm/remote_embedder.h"
#include "llm/remote_reranker.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

struct Scripted {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

class RemoteModelTest : public http::ServerFixture {
 protected:
  // Answers in turn; the last one again and again.
  RemoteCallConfig serve(std::string path, std::vector<Scripted> answers) {
    answers_ = std::move(answers);
    route("POST", std::move(path), [this](http::Request& request, RequestContext&) -> Task<http::Response> {
      bodies_.push_back(request.body);
      if (on_request_) on_request_();
      key_ = request.headers.find("authorization").value_or("");
      const Scripted& answer = answers_[std::min(bodies_.size(), answers_.size()) - 1];
      http::Response response;
      response.status = answer.status;
      response.headers.set("Content-Type", "application/json");
      for (const auto& [name, value] : answer.headers) response.headers.set(name, value);
      response.body = answer.body;
      co_return response;
    });
    start();
    EndpointPoolConfig pool;
    pool.model = "remote";
    pool.endpoints = {{url("/v1"), "upstream-name", "secret", 1}};
    pool.health.rest = milliseconds(1);
    pool_.emplace(pool);
    RemoteCallConfig call;
    call.name = "remote";
    call.backoff = milliseconds(1);
    return call;
  }

  Result<encoder::Embeddings> embed(std::vector<Scripted> answers, std::vector<std::string> texts = {"one", "two"}) {
    config_embedder_.call = serve("/v1/embeddings", std::move(answers));
    embedder_ = make_remote_embedder(config_embedder_, {*pool_, quota_, client_});
    return async::sync_wait(embedder_->embed(std::move(texts), encoder::EmbedPurpose::document, context_));
  }

  Result<encoder::RerankScores> rerank(std::vector<Scripted> answers, RerankDialect dialect = RerankDialect::jina) {
    config_reranker_.call = serve("/v1/rerank", std::move(answers));
    config_reranker_.dialect = dialect;
    const auto reranker = make_remote_reranker(config_reranker_, {*pool_, quota_, client_});
    const std::vector<std::string> documents = {"first", "second"};
    return async::sync_wait(reranker->score("question", documents, context_));
  }

  void expect_refused(std::string body, std::string_view why) {
    SCOPED_TRACE(body);
    const auto rows = embed({{200, std::move(body), {}}});
    ASSERT_TRUE(rows.has_error());
    EXPECT_EQ(rows.error().code, ErrorCode::unavailable);
    EXPECT_THAT(rows.error().message, HasSubstr(why));
  }

  http::Client client_;
  RetryQuota quota_{20};
  std::optional<BalancedPool> pool_;
  RequestContext context_{"req", "tenant", Deadline::after(std::chrono::seconds(20))};
  RemoteEmbedderConfig config_embedder_;
  RemoteRerankerConfig config_reranker_;
  std::unique_ptr<encoder::Embedder> embedder_;
  std::function<void()> on_request_;
  std::vector<Scripted> answers_;
  std::vector<std::string> bodies_;
  std::string key_;
};

const char* const kTwo =
    R"({"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}],"usage":{"prompt_tokens":10}})";

TEST_F(RemoteModelTest, EmbeddingsComeInTheOrderOfTheTexts) {
  const auto rows = embed({{200, kTwo, {}}});
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(rows->dimensions, 2u);
  EXPECT_THAT(rows->values, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(rows->token_counts.at(0) + rows->token_counts.at(1), 10u);
  EXPECT_EQ(key_, "Bearer secret");
  EXPECT_THAT(bodies_.at(0), HasSubstr(R"("model":"upstream-name")"));
  EXPECT_THAT(bodies_.at(0), HasSubstr(R"("input":["one","two"])"));
}

TEST_F(RemoteModelTest, EmbeddingsMayComeAsBase64) {
  const auto rows = embed({{200, R"({"data":[{"index":0,"embedding":"mpkZP83MTD8="}]})", {}}}, {"one"});
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_THAT(rows->values, ElementsAre(FloatNear(0.6f, 1e-6f), FloatNear(0.8f, 1e-6f)));
}

TEST_F(RemoteModelTest, TextsAreSentInBatchesByCount) {
  config_embedder_.batch_texts_max = 1;
  const auto rows =
      embed({{200, R"({"data":[{"embedding":[1,2]}]})", {}}, {200, R"({"data":[{"embedding":[3,4]}]})", {}}});
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_THAT(rows->values, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(bodies_.size(), 2u);
}

TEST_F(RemoteModelTest, TextsAreSentInBatchesByTokens) {
  config_embedder_.batch_tokens_max = 1;
  const auto rows = embed({{200, R"({"data":[{"embedding":[1,2]}]})", {}}});
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(bodies_.size(), 2u);
}

TEST_F(RemoteModelTest, WrongCountIsRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":[1,2]}]})", "1 embeddings for 2 texts");
}

TEST_F(RemoteModelTest, DuplicateIndexIsRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]})", "wrong index");
}

TEST_F(RemoteModelTest, IndexOutsideIsRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":[1,2]},{"index":2,"embedding":[1,2]}]})", "wrong index");
}

TEST_F(RemoteModelTest, UnequalDimensionsAreRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[1,2,3]}]})", "3 dimensions");
}

TEST_F(RemoteModelTest, ConfiguredDimensionsAreChecked) {
  config_embedder_.dimensions = 3;
  expect_refused(kTwo, "2 dimensions instead of 3");
  EXPECT_EQ(embedder_->info().dimensions, 3u);
}

TEST_F(RemoteModelTest, NullInAnEmbeddingIsRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":[1,null]},{"index":1,"embedding":[1,2]}]})", "finite numbers");
}

TEST_F(RemoteModelTest, NotANumberInBase64IsRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":"AADAfwAAgD8="},{"index":1,"embedding":[1,2]}]})",
                 "finite numbers");
}

TEST_F(RemoteModelTest, BrokenBase64IsRefused) {
  expect_refused(R"({"data":[{"index":0,"embedding":"mpk*"},{"index":1,"embedding":[1,2]}]})", "finite numbers");
}

TEST_F(RemoteModelTest, AnswerCutShortIsRefused) {
  expect_refused(R"({"data":[{"index":0,"emb)", "not JSON");
}

TEST_F(RemoteModelTest, AnswerWithoutDataIsRefused) {
  expect_refused(R"({"data":{}})", "no embeddings");
}

TEST_F(RemoteModelTest, BusyServerIsAskedAgain) {
  const auto rows = embed({{429, "{}", {{"Retry-After", "0"}}}, {503, "{}", {}}, {200, kTwo, {}}});
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(bodies_.size(), 3u);
}

TEST_F(RemoteModelTest, RetriesEnd) {
  const auto rows = embed({{429, R"({"error":{"message":"slow down"}})", {}}});
  ASSERT_TRUE(rows.has_error());
  EXPECT_EQ(rows.error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(rows.error().message, HasSubstr("slow down"));
  EXPECT_EQ(bodies_.size(), 3u);
}

TEST_F(RemoteModelTest, RetryAfterBeyondTheTimeLimitIsNotAwaited) {
  const auto rows = embed({{503, "{}", {{"Retry-After", "3600"}}}});
  ASSERT_TRUE(rows.has_error());
  EXPECT_EQ(rows.error().code, ErrorCode::unavailable);
  EXPECT_EQ(bodies_.size(), 1u);
}

TEST_F(RemoteModelTest, RetryAfterInMillisecondsCounts) {
  EXPECT_EQ(embed({{503, "{}", {{"retry-after-ms", "3600000"}}}}).error().code, ErrorCode::unavailable);
  EXPECT_EQ(bodies_.size(), 1u);
}

TEST_F(RemoteModelTest, MistakesAreNotRepeated) {
  EXPECT_EQ(embed({{400, R"({"error":{"message":"too long"}})", {}}}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(bodies_.size(), 1u);
}

TEST_F(RemoteModelTest, RefusedKeyIsNotRepeatedToTheCaller) {
  const auto rows = embed({{401, R"({"error":{"message":"bad key secret"}})", {}}});
  EXPECT_EQ(rows.error().code, ErrorCode::unavailable);
  EXPECT_THAT(rows.error().message, testing::Not(HasSubstr("secret")));
}

// Shipped elsewhere: routes beside chat never counted, and one server of eight got all of them.
TEST_F(RemoteModelTest, CallsCountAtTheirPool) {
  std::size_t seen = 0;
  std::size_t tokens = 0;
  on_request_ = [&] {
    seen = pool_->in_flight();
    tokens = pool_->status().endpoints.at(0).tokens_in_flight;
  };
  ASSERT_TRUE(embed({{200, kTwo, {}}}).has_value());
  EXPECT_EQ(seen, 1u);
  EXPECT_GT(tokens, 0u);
  EXPECT_EQ(pool_->in_flight(), 0u);
  EXPECT_EQ(pool_->status().endpoints.at(0).outcomes[0], 1u);
}

TEST_F(RemoteModelTest, OutcomesSayWhatHappened) {
  embed({{429, "{}", {{"Retry-After", "0"}}}, {500, "{}", {}}, {400, "{}", {}}});
  EXPECT_THAT(pool_->status().endpoints.at(0).outcomes, ElementsAre(0, 1, 1, 1));
}

TEST_F(RemoteModelTest, WithoutQuotaThereIsNoRetry) {
  while (quota_.take_retry()) {
  }
  EXPECT_EQ(embed({{500, "{}", {}}, {200, kTwo, {}}}).error().code, ErrorCode::unavailable);
  EXPECT_EQ(bodies_.size(), 1u);
}

TEST_F(RemoteModelTest, AnotherEndpointIsAskedAtOnce) {
  RemoteCallConfig call = serve("/v1/embeddings", {{200, kTwo, {}}});
  call.backoff = std::chrono::hours(1);
  auto both = pool_->endpoints();
  both[0].weight = 0.001;  // The dead one is asked first.
  both.push_back({"http://127.0.0.1:1/v1", "upstream-name", "", 1000});
  pool_->set_endpoints(both);
  config_embedder_.call = call;
  embedder_ = make_remote_embedder(config_embedder_, {*pool_, quota_, client_});
  const auto rows = async::sync_wait(embedder_->embed({"one", "two"}, encoder::EmbedPurpose::document, context_));
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(pool_->status().endpoints.at(1).outcomes[1], 1u);
}

TEST_F(RemoteModelTest, AFullPoolIsWaitedForWithinTheTimeLimit) {
  const RemoteCallConfig call = serve("/v1/embeddings", {{200, kTwo, {}}});
  EndpointPoolConfig narrow;
  narrow.model = "remote";
  narrow.endpoints = pool_->endpoints();
  narrow.limit = {.adaptive = false, .initial = 1};
  narrow.queue.patience = milliseconds(5);
  pool_.emplace(narrow);
  const auto blocker = async::sync_wait(pool_->acquire({}, context_));
  config_embedder_.call = call;
  config_embedder_.call.total = milliseconds(300);
  embedder_ = make_remote_embedder(config_embedder_, {*pool_, quota_, client_});
  const auto rows = async::sync_wait(embedder_->embed({"one"}, encoder::EmbedPurpose::document, context_));
  EXPECT_EQ(rows.error().code, ErrorCode::resource_exhausted);
  EXPECT_TRUE(bodies_.empty());
}

TEST_F(RemoteModelTest, ASilentServerIsLeftAfterTheFirstByteTime) {
  config_embedder_.call = serve("/v1/embeddings", {{200, kTwo, {}}});
  config_embedder_.call.first_byte = milliseconds(50);
  config_embedder_.call.retries_max = 0;
  http::ScriptedServer silent([](http::ScriptedConnection& connection, int) {
    connection.read_head();
    connection.read_head();  // Until the client leaves.
  });
  pool_->set_endpoints({{silent.url("/v1"), "upstream-name", "", 1}});
  embedder_ = make_remote_embedder(config_embedder_, {*pool_, quota_, client_});
  const auto rows = async::sync_wait(embedder_->embed({"one"}, encoder::EmbedPurpose::document, context_));
  EXPECT_EQ(rows.error().code, ErrorCode::unavailable);
  EXPECT_THAT(rows.error().message, HasSubstr("within its time limit"));
  EXPECT_EQ(pool_->status().endpoints.at(0).outcomes[1], 1u);
}

TEST_F(RemoteModelTest, CancelledCallEndsAsCancelled) {
  context_.cancel();
  EXPECT_EQ(embed({{200, kTwo, {}}}).error().code, ErrorCode::cancelled);
}

TEST_F(RemoteModelTest, RerankUnderstandsJina) {
  const auto scores = rerank(
      {{200,
        R"({"results":[{"index":1,"relevance_score":0.5},{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":7}})",
        {}}});
  ASSERT_TRUE(scores.has_value()) << scores.error().message;
  EXPECT_THAT(scores->logits, ElementsAre(FloatNear(2.1972f, 1e-3f), FloatNear(0, 1e-5f)));
  EXPECT_EQ(scores->tokens, 7u);
  for (const char* part : {R"("documents":["first","second"])", R"("top_n":2)", R"("return_documents":false)"}) {
    EXPECT_THAT(bodies_.at(0), HasSubstr(part));
  }
}

TEST_F(RemoteModelTest, RerankUnderstandsTei) {
  const auto scores = rerank({{200, R"([{"index":0,"score":-3.5},{"index":1,"score":2}])", {}}}, RerankDialect::tei);
  ASSERT_TRUE(scores.has_value()) << scores.error().message;
  EXPECT_THAT(scores->logits, ElementsAre(-3.5f, 2));  // Outside 0..1: logits already.
  EXPECT_THAT(bodies_.at(0), HasSubstr(R"("texts":["first","second"])"));
  EXPECT_THAT(bodies_.at(0), testing::Not(HasSubstr("documents")));
}

TEST_F(RemoteModelTest, RerankSpeaksCohere) {
  const auto scores = rerank(
      {{200,
        R"({"results":[{"index":0,"relevance_score":1},{"index":1,"relevance_score":0}],"meta":{"tokens":{"input_tokens":9}}})",
        {}}},
      RerankDialect::cohere_v2);
  ASSERT_TRUE(scores.has_value()) << scores.error().message;
  EXPECT_EQ(scores->tokens, 9u);
  EXPECT_GT(scores->logits.at(0), 10);
  EXPECT_THAT(bodies_.at(0), testing::Not(HasSubstr("return_documents")));
}

TEST_F(RemoteModelTest, RerankRefusesWhatIsMissing) {
  EXPECT_EQ(rerank({{200, R"({"results":[{"index":0,"relevance_score":1}]})", {}}}).error().code,
            ErrorCode::unavailable);
}

TEST_F(RemoteModelTest, RerankRefusesDuplicates) {
  const auto scores =
      rerank({{200, R"({"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]})", {}}});
  EXPECT_THAT(scores.error().message, HasSubstr("wrong index"));
}

TEST_F(RemoteModelTest, RerankRefusesScoresThatAreNoNumbers) {
  const auto scores =
      rerank({{200, R"({"results":[{"index":0,"relevance_score":"high"},{"index":1,"relevance_score":1}]})", {}}});
  EXPECT_THAT(scores.error().message, HasSubstr("finite number"));
}

}  // namespace
}  // namespace ragtime::llm
