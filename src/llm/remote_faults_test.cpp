// A matrix of upstream faults under embeddings and reranking: every call has one end, an error that says whose mistake
// it was, and all of them together ask the upstream hardly more often than they were called.

#include <optional>

#include "llm/balanced_pool.h"
#include "llm/gateway_fixture.h"
#include "llm/remote_embedder.h"
#include "llm/remote_reranker.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using testing::Not;

struct RemoteFault {
  std::string name;
  Act act;
  ErrorCode code = ErrorCode::unavailable;
};

// What has nothing to do with the task.
std::vector<RemoteFault> transport_faults() {
  const std::string message = R"({"error":{"message":"m"}})";
  std::vector<RemoteFault> out;
  for (const int status : {204, 301, 307, 401, 403, 404, 405, 408, 500, 501, 502, 503, 504, 529}) {
    out.push_back({std::to_string(status), says(http_reply(status, message))});
  }
  out.push_back({"429", says(http_reply(429, message, "Retry-After: 0\r\n")), ErrorCode::resource_exhausted});
  for (const int status : {400, 402, 409, 410, 413, 422}) {
    out.push_back({std::to_string(status), says(http_reply(status, message)), ErrorCode::invalid_argument});
  }
  const std::string json_head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  const std::pair<const char*, std::string> cuts[] = {
      {"no bytes", ""},
      {"half a status line", "HTTP/1.1 2"},
      {"half a head", json_head},
      {"not HTTP", "SSH-2.0-x\r\n\r\n"},
      {"a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}"},
      {"two lengths", json_head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"},
      {"a length that is no number", json_head + "Content-Length: x\r\n\r\n{}"},
      {"a huge head", json_head + "X: " + std::string(1u << 18, 'x') + "\r\n\r\n{}"},
      {"half a body", json_head + "Content-Length: 500\r\n\r\n{\"data\":["},
      {"half a chunk", json_head + "Transfer-Encoding: chunked\r\n\r\n10\r\n{\"data\""},
      {"a bad chunk size", json_head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"},
      {"an empty body", http_reply(200, "")},
      {"HTML", http_reply(200, "<html>")},
      {"an event stream", kStreamHead + http_chunk(sse("{\"data\":[]}")) + kLastChunk},
      {"JSON that is cut by the server", http_reply(200, "{\"data\":[{")},
      {"JSON and more", http_reply(200, R"({"data":[]} {"data":[]})")},
      {"JSON nested deeply", http_reply(200, std::string(100'000, '['))},
      {"bytes that are no UTF-8", http_reply(200, "{\"data\":\"\xff\xfe\"}")},
      {"an error as a body", http_reply(200, R"({"error":{"message":"m","code":500}})")},
      {"null", http_reply(200, "null")},
      {"a number", http_reply(200, "7")},
      {"an empty list", http_reply(200, "[]")},
      {"an empty object", http_reply(200, "{}")},
  };
  for (const auto& [name, bytes] : cuts) out.push_back({name, says(bytes)});
  out.push_back({"silence", stalls()});
  out.push_back({"silence in the head", stalls(json_head)});
  out.push_back({"silence after the head", stalls(json_head + "Content-Length: 500\r\n\r\n")});
  out.push_back({"silence in the body", stalls(json_head + "Content-Length: 500\r\n\r\n{\"data\":[")});
  return out;
}

void add_answers(std::vector<RemoteFault>& faults, std::initializer_list<const char*> bodies) {
  for (const char* body : bodies) faults.push_back({body, says(http_reply(200, body))});
}

std::vector<RemoteFault> embedding_faults() {
  auto out = transport_faults();
  add_answers(out, {R"({"data":{}})", R"({"data":[]})", R"({"data":[1,2]})", R"({"data":[{},{}]})",
                    R"({"data":[{"embedding":[1]}]})", R"({"data":[{"embedding":[1]},{"embedding":[1,2]}]})",
                    R"({"data":[{"embedding":[]},{"embedding":[]}]})",
                    R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]})",
                    R"({"data":[{"index":-1,"embedding":[1]},{"index":1,"embedding":[1]}]})",
                    R"({"data":[{"index":0.5,"embedding":[1]},{"index":1,"embedding":[1]}]})",
                    R"({"data":[{"index":18446744073709551615,"embedding":[1]},{"index":1,"embedding":[1]}]})",
                    R"({"data":[{"embedding":[1e300]},{"embedding":[1]}]})",
                    R"({"data":[{"embedding":["1"]},{"embedding":[1]}]})",
                    R"({"data":[{"embedding":"AA=="},{"embedding":[1]}]})"});
  return out;
}

std::vector<RemoteFault> rerank_faults() {
  auto out = transport_faults();
  add_answers(out, {R"({"results":{}})", R"({"results":[]})", R"({"results":[1,2]})", R"({"results":[{},{}]})",
                    R"({"results":[{"index":0,"score":1}]})", R"({"results":[{"score":1},{"score":1}]})",
                    R"({"results":[{"index":0,"score":1},{"index":0,"score":1}]})",
                    R"({"results":[{"index":-1,"score":1},{"index":1,"score":1}]})",
                    R"({"results":[{"index":0,"score":1},{"index":2,"score":1}]})",
                    R"({"results":[{"index":0,"score":"1"},{"index":1,"score":1}]})",
                    R"({"results":[{"index":0,"score":null},{"index":1,"score":1}]})",
                    R"({"results":[{"index":0,"score":1e300},{"index":1,"score":1}]})"});
  return out;
}

const char* const kEmbeddings =
    R"({"data":[{"embedding":[1,2,3]},{"embedding":[4,5,6]}],"usage":{"prompt_tokens":9000000000000000000}})";
const char* const kScores =
    R"({"results":[{"index":0,"score":0.5},{"index":1,"score":0.6}],"usage":{"total_tokens":1e300}})";

class RemoteFaults : public testing::Test {
 protected:
  RemoteFaults() {
    call_.name = "remote";
    call_.first_byte = milliseconds(100);
    call_.total = milliseconds(300);
    call_.backoff = milliseconds(1);
    EndpointPoolConfig config;
    config.model = "remote";
    config.health.rest = milliseconds(1);
    pool_.emplace(config);
    RemoteEmbedderConfig embedder;
    embedder.call = call_;
    embedder_ = make_remote_embedder(embedder, {*pool_, quota_, client_});
    RemoteRerankerConfig reranker;
    reranker.call = call_;
    reranker_ = make_remote_reranker(reranker, {*pool_, quota_, client_});
  }

  Result<encoder::Embeddings> embed() {
    RequestContext context("request", "tenant", Deadline::after(std::chrono::seconds(20)));
    return async::sync_wait(embedder_->embed({"one", "two"}, encoder::EmbedPurpose::document, context));
  }

  Result<encoder::RerankScores> rerank() {
    RequestContext context("request", "tenant", Deadline::after(std::chrono::seconds(20)));
    return async::sync_wait(reranker_->score("question", {"first", "second"}, context));
  }

  // Runs `call` against an upstream that does this and nothing else.
  template <class Call>
  auto against(const Act& act, const Call& call) {
    ActingServer upstream({act});
    pool_->set_endpoints({{upstream.url(), "upstream-name", "secret-key", 1}});
    auto result = call();
    EXPECT_EQ(pool_->in_flight(), 0u);
    asked_ += static_cast<std::size_t>(upstream.asked());
    return result;
  }

  template <class Call>
  void expect_one_end_each(const std::vector<RemoteFault>& faults, const Call& call) {
    EXPECT_GE(faults.size(), 40u);
    for (const RemoteFault& fault : faults) {
      SCOPED_TRACE(fault.name);
      const auto result = against(fault.act, call);
      ASSERT_TRUE(result.has_error());
      EXPECT_EQ(result.error().code, fault.code) << result.error().message;
      EXPECT_FALSE(result.error().message.empty());
      EXPECT_THAT(result.error().message, Not(testing::HasSubstr("secret-key")));
    }
    // Ten retries in ten seconds are always allowed.
    EXPECT_LE(static_cast<double>(asked_), 1.2 * static_cast<double>(faults.size()) + 10);
  }

  RemoteCallConfig call_;
  http::Client client_;
  RetryQuota quota_{20};
  std::optional<BalancedPool> pool_;
  std::unique_ptr<encoder::Embedder> embedder_;
  std::unique_ptr<encoder::Reranker> reranker_;
  std::size_t asked_ = 0;
};

TEST_F(RemoteFaults, EveryEmbeddingCallHasOneEnd) {
  expect_one_end_each(embedding_faults(), [this] { return embed(); });
}

TEST_F(RemoteFaults, EveryRerankCallHasOneEnd) {
  expect_one_end_each(rerank_faults(), [this] { return rerank(); });
}

// Nothing of a bad answer stays: its number of dimensions was once taken for the model's.
TEST_F(RemoteFaults, AfterAnyFaultAGoodAnswerIsUsed) {
  for (const RemoteFault& fault : embedding_faults()) {
    if (fault.act.silent) continue;
    SCOPED_TRACE(fault.name);
    EXPECT_TRUE(against(fault.act, [this] { return embed(); }).has_error());
    const auto rows = against(says(http_reply(200, kEmbeddings)), [this] { return embed(); });
    ASSERT_TRUE(rows.has_value()) << rows.error().message;
    EXPECT_EQ(rows->dimensions, 3u);
    EXPECT_EQ(rows->values.size(), 6u);
  }
}

TEST_F(RemoteFaults, TokensThatCannotBeAreNotCounted) {
  const auto rows = against(says(http_reply(200, kEmbeddings)), [this] { return embed(); });
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_LE(rows->token_counts.at(0) + rows->token_counts.at(1), 1'000'000'000u);
  const auto scores = against(says(http_reply(200, kScores)), [this] { return rerank(); });
  ASSERT_TRUE(scores.has_value()) << scores.error().message;
  EXPECT_LT(scores->tokens, 100u);
}

// As TheRetryQuotaBoundsAmplification for chat: an outage is not answered with a multiple of the load.
TEST_F(RemoteFaults, RetriesAreAFifthOfManyCalls) {
  ActingServer upstream({says(http_reply(500, "{}"))});
  pool_->set_endpoints({{upstream.url(), "upstream-name", "", 1}});
  constexpr int kCalls = 200;
  for (int i = 0; i < kCalls; ++i) EXPECT_TRUE(i % 2 == 0 ? embed().has_error() : rerank().has_error());
  EXPECT_LE(upstream.asked(), kCalls * 12 / 10 + 10);
  EXPECT_GT(upstream.asked(), 0);
}

}  // namespace
}  // namespace ragtime::llm
