#include "server/configuration.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/configuration_fields.h"
#include "server/module_settings.h"

namespace ragtime::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Environment environment(std::map<std::string, std::string> variables = {}) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

Result<Configuration> parse(std::string_view toml, Environment env = environment()) {
  return parse_configuration(toml, "ragtime.toml", env);
}

std::string error_of(std::string_view toml) {
  auto parsed = parse(toml);
  return parsed.has_error() ? parsed.error().message : "no error";
}

// The names that hold, as the design lists them.
constexpr std::string_view kEverything = R"(
[server]
listen = "127.0.0.1:8000"
data_dir = "data"
roles = ["gateway", "core"]
tls_cert = "a.pem"
tls_key = "a.key"
behind_proxy = true

[[models]]
name = "chat"
task = "chat"
balance = "power_of_two"
fallbacks = ["backup"]
endpoints = [
  { url = "http://127.0.0.1:9001/v1", model = "Qwen/Qwen2.5-32B-Instruct", api_key = "${VLLM_KEY}", weight = 1 },
]
timeouts = { connect_ms = 5000, first_byte_ms = 10000, first_token_ms = 60000, idle_ms = 30000, total_ms = 600000 }
retry = { attempts_max = 2, budget_percent = 20 }
breaker = { failures = 5, open_ms = 30000 }
[[models]]
name = "backup"
endpoints = [{ url = "https://example.com/v1", model = "m" }]

[routing]
light = "chat"
balanced = "chat"
strong = "backup"

[encoder]
model = "all-MiniLM-L6-v2"
precision = "f32"

[chunking]
size = 400
overlap = 100
strategy = "markdown"

[retrieval]
fusion = "convex"
dense_weight = 0.25
candidates = 50
results = 5
reranker = "late_interaction"
rerank_model = ""
rerank_candidates = 20
rerank_budget_ms = 150
rerank_weight = 0.25
duplicates = "suppress"
mmr_lambda = 0.8
neighbors = 2
index = "auto"

[cache]
enabled = true
default_ttl_s = 3600
memory_bytes = 1024
redis_url = "redis://user:geheim@127.0.0.1:6379"
redis_connections_max = 10
[cache.kinds.emotion]
ttl_s = 60
priority = "high"
levels = ["memory"]
[cache.kinds.own]
priority = "low"

[store]
url = "sqlite:"

[limits]
concurrent_requests_max = 5
compute_threads_max = 2
background_queue_max = 10
request_timeout_s = 3
memory_bytes_max = 0

[stream]
enabled = true

[log]
level = "debug"
format = "text"
[trace]
otlp_url = ""
)";

TEST(Configuration, EveryDocumentedNameIsAccepted) {
  auto parsed = parse(kEverything, environment({{"VLLM_KEY", "sk-very-secret"}}));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->server.roles, (std::vector<std::string>{"gateway", "core"}));
  ASSERT_EQ(parsed->models.size(), 2u);
  EXPECT_EQ(parsed->models[0].endpoints.at(0).api_key, "sk-very-secret");
  EXPECT_EQ(parsed->models[0].balance, "power_of_two");
  EXPECT_EQ(parsed->models[1].task, "chat");
  EXPECT_EQ(parsed->retrieval.dense_weight, 0.25);
  EXPECT_EQ(parsed->cache.kinds.at("emotion").ttl_s, 60);
  EXPECT_EQ(parsed->cache.kinds.at("own").ttl_s, 3600);
  EXPECT_EQ(parsed->cache.kinds.at("search").ttl_s, 900);
  EXPECT_EQ(parsed->limits.request_timeout_s, 3);
  EXPECT_EQ(parsed->log.format, "text");
}

TEST(Configuration, AnEmptyFileGivesTheDefaults) {
  auto parsed = parse("");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->server.listen, "127.0.0.1:8000");
  EXPECT_EQ(parsed->encoder.model, "all-MiniLM-L6-v2");
  EXPECT_EQ(parsed->chunking.size, 800);
}

TEST(Configuration, MistakesNameFileLineAndASuggestion) {
  EXPECT_EQ(error_of("[server]\nlisten = \"127.0.0.1:1\"\nlisen = \"x\"\n"),
            "ragtime.toml:3: unknown key \"server.lisen\"; did you mean \"listen\"?");
  EXPECT_EQ(error_of("[sever]\n"), "ragtime.toml:1: unknown section \"sever\"; did you mean \"server\"?");
  EXPECT_EQ(error_of("\n[chunking]\nsize = \"800\"\n"), "ragtime.toml:3: chunking.size must be an integer, not a text");
  EXPECT_EQ(error_of("[cache]\nenabled = \"true\"\n"),
            "ragtime.toml:2: cache.enabled must be true or false (without quotes), not a text");
  EXPECT_EQ(error_of("[encoder]\nprecision = \"bf17\"\n"),
            "ragtime.toml:2: encoder.precision must be one of auto, f32, bf16, int8, not \"bf17\"; "
            "did you mean \"bf16\"?");
  EXPECT_EQ(error_of("[retrieval]\ndense_weight = 1.5\n"),
            "ragtime.toml:2: retrieval.dense_weight must be between 0 and 1, not 1.5");
  EXPECT_THAT(error_of("[retrieval]\nindex = \"flatt\"\n"), HasSubstr("there are auto, flat"));
  EXPECT_THAT(error_of("[retrieval]\nrecall_target = 1.5\n"), HasSubstr("between 0.5 and 1"));
  EXPECT_EQ(error_of("[server]\nroles = [\"all\", 3]\n"),
            "ragtime.toml:2: server.roles must be only texts in the list, not an integer");
  EXPECT_EQ(error_of("models = 3\n"), "ragtime.toml:1: models must be a list of tables: [[models]], not an integer");
  EXPECT_EQ(error_of("server = 3\n"), "ragtime.toml:1: server must be a table: [server], not an integer");
}

TEST(Configuration, SyntaxErrorsNameTheLine) {
  EXPECT_THAT(error_of("[server]\nlisten = \n"), StartsWith("ragtime.toml:2: "));
}

TEST(Configuration, TheFirstOfSeveralMistakesIsReported) {
  EXPECT_THAT(error_of("[log]\nlevel = \"loud\"\n[server]\nlisten = 3\n"), StartsWith("ragtime.toml:2: log.level"));
}

TEST(Configuration, RulesThatSpanFieldsNameTheLine) {
  EXPECT_EQ(error_of("[chunking]\nsize = 100\noverlap = 60\n"),
            "ragtime.toml:3: chunking.overlap: must be at most half of size (100), not 60");
  EXPECT_THAT(error_of("[[models]]\nname = \"a\"\n"), StartsWith("ragtime.toml:1: models[0].endpoints: "));
  EXPECT_THAT(error_of("[[models]]\nname = \"a\"\ndirectory = \"x\"\n"),
              HasSubstr("only models with task = \"rerank\""));
  EXPECT_THAT(error_of("[[models]]\nname = \"a\"\ntask = \"rerank\"\ndirectory = \"x\"\n"
                       "endpoints = [{url = \"http://x\"}]\n"),
              HasSubstr("not both"));
  EXPECT_THAT(error_of("[[models]]\nname = \"a\"\ntask = \"rerank\"\ndialect = \"klingon\"\n"), HasSubstr("dialect"));
  EXPECT_THAT(error_of("[encoder]\nmodel = \"e\"\n[[models]]\nname = \"e\"\ntask = \"embedding\"\n"
                       "endpoints = [{url = \"http://x\"}]\n"),
              HasSubstr("models[0].dimensions"));
  EXPECT_THAT(error_of("[[models]]\nname = \"a\"\nendpoints = [{url = \"ftp://x\"}]\n"),
              StartsWith("ragtime.toml:3: models[0].endpoints[0].url: must be an http:// or https://"));
  EXPECT_THAT(error_of("[[models]]\nname = \"a@b\"\nendpoints = [{url = \"http://x\"}]\n"), HasSubstr("reserved"));
  EXPECT_THAT(
      error_of("[routing]\nlight = \"smal\"\n[[models]]\nname = \"small\"\nendpoints = [{url = \"http://x\"}]\n"),
      HasSubstr("ragtime.toml:2: routing.light: there is no model called \"smal\"; did you mean \"small\"?"));
  EXPECT_THAT(error_of("[routing]\nbalanced_from = 0.6\n"), HasSubstr("routing.strong_from: must not be smaller"));
  EXPECT_THAT(error_of("[routing]\nlight = \"r\"\n[[models]]\nname = \"r\"\ntask = \"rerank\"\n"
                       "endpoints = [{url = \"http://x\"}]\n"),
              HasSubstr("routing.light: \"r\" is no chat model"));
  EXPECT_THAT(error_of("[server]\ntls_cert = \"a\"\n"), HasSubstr("belong together"));
  EXPECT_THAT(error_of("[store]\nurl = \"mysql://x\"\n"), HasSubstr("ragtime.toml:2: store.url"));
}

TEST(Configuration, VariablesExpandAndMissingOnesAreNamed) {
  auto parsed = parse("[server]\ndata_dir = \"${HOME}/x/${B}\"\n", environment({{"HOME", "/h"}, {"B", "b"}}));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->server.data_dir, "/h/x/b");
  EXPECT_EQ(error_of("[server]\ndata_dir = \"${NOPE}/x\"\n"),
            "ragtime.toml:2: server.data_dir uses ${NOPE}, but no such environment variable is set");
}

class LoadedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    file_ = ::testing::TempDir() + "/ragtime_configuration_test.toml";
    std::ofstream(file_)
        << "[server]\nlisten = \"127.0.0.1:1\"\ndata_dir = \"from-file\"\n[limits]\nrequest_timeout_s = 7\n";
    flags_.file = file_;
  }
  std::string file_;
  ConfigurationFlags flags_;
};

TEST_F(LoadedFile, AnEmptyFileIsAValidConfiguration) {
  std::ofstream(file_, std::ios::trunc).close();
  auto loaded = load_configuration(flags_, environment({}));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->settings.server.listen, "127.0.0.1:8000");
}

TEST_F(LoadedFile, FlagsBeatTheEnvironmentWhichBeatsTheFile) {
  flags_.listen = "127.0.0.1:3";
  auto loaded = load_configuration(flags_, environment({{"RAGTIME_LISTEN", "127.0.0.1:2"},
                                                        {"RAGTIME_DATA_DIR", "from-environment"},
                                                        {"CACHE_ENABLED", "False"},
                                                        {"CACHE_DEFAULT_TTL", "7200"},
                                                        {"CACHE_EMOTION_TTL", "5"},
                                                        {"REDIS_URL", ""},
                                                        {"MAX_CONCURRENT_REQUESTS", "9"}}));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->file, file_);
  EXPECT_EQ(loaded->settings.server.listen, "127.0.0.1:3");
  EXPECT_EQ(loaded->settings.server.data_dir, "from-environment");
  EXPECT_EQ(loaded->settings.limits.request_timeout_s, 7);
  EXPECT_EQ(loaded->settings.limits.concurrent_requests_max, 9);
  EXPECT_FALSE(loaded->settings.cache.enabled);
  EXPECT_EQ(loaded->settings.cache.default_ttl_s, 7200);
  EXPECT_EQ(loaded->settings.cache.kinds.at("emotion").ttl_s, 5);
}

TEST_F(LoadedFile, BadVariablesAndFlagsAreNamed) {
  const auto message = [&](const char* variable, const char* value) {
    auto loaded = load_configuration(flags_, environment({{variable, value}}));
    return loaded.has_error() ? loaded.error().message : "no error";
  };
  EXPECT_EQ(message("CACHE_ENABLED", "maybe"),
            "environment variable CACHE_ENABLED must be true or false, not \"maybe\"");
  EXPECT_EQ(message("REQUEST_TIMEOUT", "5s"), "environment variable REQUEST_TIMEOUT must be an integer, not \"5s\"");
  EXPECT_EQ(message("REQUEST_TIMEOUT", "0"), "environment variable REQUEST_TIMEOUT must be between 1 and 86400, not 0");
  flags_.log_level = "loud";
  EXPECT_THAT(message("X", ""), StartsWith("--log-level must be one of"));
}

TEST(Configuration, AMissingFileIsAnError) {
  ConfigurationFlags flags;
  flags.file = "/nonexistent/ragtime.toml";
  auto loaded = load_configuration(flags, environment());
  ASSERT_TRUE(loaded.has_error());
  EXPECT_EQ(loaded.error().code, ErrorCode::not_found);
  EXPECT_THAT(loaded.error().message, HasSubstr("/nonexistent/ragtime.toml"));
}

TEST(Configuration, ADirectoryIsNoFile) {
  ConfigurationFlags flags;
  flags.file = ::testing::TempDir();
  auto loaded = load_configuration(flags, environment());
  ASSERT_TRUE(loaded.has_error());
  EXPECT_THAT(loaded.error().message, HasSubstr("is a directory"));
}

TEST(Configuration, PrintedTomlReadsBackTheSameWithSecretsMasked) {
  auto parsed = parse(kEverything, environment({{"VLLM_KEY", "sk-very-secret"}}));
  ASSERT_TRUE(parsed.has_value());
  const std::string toml = configuration_to_toml(*parsed);
  EXPECT_THAT(toml, Not(HasSubstr("sk-very-secret")));
  EXPECT_THAT(toml, Not(HasSubstr("geheim")));
  EXPECT_THAT(toml, HasSubstr("redis://user:********@127.0.0.1:6379"));
  EXPECT_THAT(toml, HasSubstr("dense_weight = 0.25\n"));
  auto again = parse(toml);
  ASSERT_TRUE(again.has_value()) << again.error().message << "\n" << toml;
  EXPECT_EQ(configuration_to_toml(*again), toml);
  EXPECT_EQ(again->models.at(0).endpoints.at(0).api_key, "********");
  EXPECT_THAT(configuration_to_json(*parsed), Not(HasSubstr("sk-very-secret")));
  EXPECT_THAT(configuration_to_json(*parsed), HasSubstr("\"dense_weight\": 0.25"));
}

TEST(Configuration, RetrievalReachesTheEngine) {
  auto parsed = parse(kEverything, environment({{"VLLM_KEY", "sk-very-secret"}}));
  ASSERT_TRUE(parsed.has_value());
  parsed->retrieval.fusion = "rrf";
  const auto config = engine_config(*parsed);
  EXPECT_EQ(config.fusion, engine::Fusion::rrf);
  EXPECT_EQ(config.rerank.method, engine::RerankMethod::late_interaction);
  EXPECT_EQ(config.rerank.candidates, 20u);
  EXPECT_EQ(config.rerank.budget, std::chrono::milliseconds(150));
  EXPECT_EQ(config.rerank.weight, 0.25f);
  EXPECT_EQ(config.duplicates, engine::Duplicates::suppress);
  EXPECT_EQ(config.mmr_lambda, 0.8f);
  EXPECT_EQ(config.neighbors, 2u);
  EXPECT_EQ(config.embed_budget, std::chrono::seconds(5));
  const auto plain = engine_config(Configuration());
  EXPECT_EQ(plain.fusion, engine::Fusion::convex);
  EXPECT_EQ(plain.rerank.method, engine::RerankMethod::none);
  EXPECT_EQ(plain.mmr_lambda, 1.0f);
}

TEST(Configuration, CrossEncoderIsOneOfTheRerankModels) {
  const std::string models =
      "[[models]]\nname = \"judge\"\ntask = \"rerank\"\nendpoints = [{ url = \"http://127.0.0.1:1\" }]\n"
      "[[models]]\nname = \"chat\"\nendpoints = [{ url = \"http://127.0.0.1:1\" }]\n"
      "[retrieval]\nreranker = \"cross_encoder\"\n";
  EXPECT_TRUE(parse(models + "rerank_model = \"judge\"\n").has_value());
  EXPECT_THAT(error_of(models), HasSubstr("needs the name of a model with task = \"rerank\""));
  EXPECT_THAT(error_of(models + "rerank_model = \"chat\"\n"), HasSubstr("no model called \"chat\""));
  EXPECT_THAT(error_of(models + "rerank_model = \"judg\"\n"), HasSubstr("did you mean \"judge\"?"));
}

TEST(Configuration, SettingsOfLaterVersionsAreNamed) {
  auto parsed = parse("[chunking]\nstrategy = \"academic\"\n[retrieval]\nrerank_model = \"x\"\n");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(settings_without_effect(*parsed).size(), 2u);
  EXPECT_THAT(settings_without_effect(*parsed)[0], StartsWith("retrieval.rerank_model"));
  EXPECT_THAT(settings_without_effect(*parsed)[1], StartsWith("chunking.strategy"));
  EXPECT_TRUE(settings_without_effect(Configuration()).empty());
}

TEST(Listen, AddressesAndPorts) {
  EXPECT_EQ(parse_listen("127.0.0.1:8000")->port, 8000);
  EXPECT_TRUE(parse_listen("localhost:0")->loopback);
  EXPECT_EQ(parse_listen("[::1]:80")->address, "::1");
  EXPECT_TRUE(parse_listen("[::1]:80")->loopback);
  EXPECT_FALSE(parse_listen("0.0.0.0:80")->loopback);
  for (const char* bad :
       {"", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "host:80", "::1:80"}) {
    EXPECT_TRUE(parse_listen(bad).has_error()) << bad;
  }
}

TEST(ClosestName, SuggestsOnlyWhatIsNear) {
  EXPECT_EQ(closest_name("lisen", {"listen", "data_dir"}), "listen");
  EXPECT_EQ(closest_name("xyzzy", {"listen", "data_dir"}), "");
}

}  // namespace
}  // namespace ragtime::server
