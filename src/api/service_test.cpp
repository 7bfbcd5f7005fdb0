// The service over real modules: SQLite, blobs, engine (lexical), ingestor, extractive answers, HTTP on a free port.
#include "api/service.h"

#include <cstdlib>
#include <filesystem>

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/authentication.h"
#include "api/json_reader.h"
#include "api/json_text.h"
#include "base/hash.h"
#include "http/client.h"
#include "http/sse.h"

namespace ragtime::api {
namespace {

constexpr std::string_view kHandbook =
    "The rotor of the Kestrel-7 turbine reaches its idle speed of 412 revolutions per minute after ninety seconds.\n\n"
    "The oil filter of the Kestrel-7 is replaced every 250 operating hours.\n";

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ragtime-api-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// An embedder whose vectors tell the text's length, for the wire format only.
class LengthEmbedder final : public encoder::Embedder {
 public:
  const encoder::EmbedderInfo& info() const override { return info_; }
  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose,
                                          RequestContext&) override {
    encoder::Embeddings out;
    out.dimensions = 4;
    for (const std::string& text : texts) {
      const float x = text.size() % 2 ? 0.6f : 0.8f;
      out.values.insert(out.values.end(), {x, std::sqrt(1 - x * x), 0, 0});
      out.token_counts.push_back(3);
    }
    co_return out;
  }
  Task<Result<encoder::Embeddings>> embed_ids(std::vector<std::vector<std::int32_t>> texts, RequestContext&) override {
    encoder::Embeddings out;
    out.dimensions = 4;
    for (const auto& ids : texts) {
      out.values.insert(out.values.end(), {static_cast<float>(ids.front()), 0, 0, 0});
      out.token_counts.push_back(ids.size());
    }
    co_return out;
  }

 private:
  encoder::EmbedderInfo info_{"toy", 4, 256, true};
};

struct Reply {
  int status = 0;
  http::Headers headers;
  std::string body;

  json::value parsed() const { return json::parse(body); }
  std::string text(std::string_view key) const { return std::string(parsed().as_object().at(key).as_string()); }
  json::object error() const { return parsed().as_object().at("error").as_object(); }
};

Task<Result<http::ClientResponse>> send(http::ClientRequest request) {
  http::Client client;
  RequestContext context("test", "default", Deadline::after(std::chrono::seconds(30)));
  co_return co_await client.send(std::move(request), context);
}

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override { start(nullptr); }

  void start(encoder::Embedder* embedder) {
    engine_ = engine::Engine::open({}, *database_, embedder, compute_, blocking_).value();
    ingestor_ = rag::Ingestor::create({}, *database_, *blobs_, *parser_, *engine_, blocking_, clock_, *log_, metrics_);
    ingestor_->start().value();
    answerer_ = rag::Answerer::create({}, *engine_, {}, compute_);
    ServiceConfig config;
    config.json_body_bytes_max = 64u << 10;
    config.file_bytes_max = 256u << 10;
    config.local_token = "local-secret-token";
    config.allowed_hosts = {"ragtime.example:8000"};
    service_ = std::make_unique<Service>(
        config, ServiceDependencies{*database_, *blobs_, *engine_, embedder, *answerer_, *ingestor_, blocking_, clock_,
                                    *log_, metrics_, [this] { return ready_.load(); },
                                    [] { return std::string(R"({"doctor":"well"})"); }, embedders_, rerankers_});
    http::ServerConfig server;
    server.port = 0;
    server.threads = 1;
    server_ = std::make_unique<http::Server>(server, service_->router(), service_->hooks(), *log_, metrics_);
    server_->start().value();
  }

  void stop() {
    if (server_) server_->stop();
    if (ingestor_) ingestor_->stop();
    server_.reset();
    service_.reset();
    answerer_.reset();
    ingestor_.reset();
    engine_.reset();
  }

  void TearDown() override { stop(); }

  Reply call(std::string method, std::string_view path, std::string body = {},
             const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
    request.body = std::move(body);
    request.headers.set("content-type", "application/json");
    for (const auto& [key, value] : headers) request.headers.set(key, value);
    auto response = async::sync_wait(send(std::move(request)));
    if (response.has_error()) {
      ADD_FAILURE() << response.error().message;
      return {};
    }
    return {response->status, response->headers, response->body};
  }

  Reply upload(std::string_view filename, std::string_view content, std::string_view purpose = "assistants") {
    const std::string body = fmt::format(
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{}\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\r\n{}\r\n--b--\r\n",
        purpose, filename, content);
    return call("POST", "/v1/files", body, {{"content-type", "multipart/form-data; boundary=b"}});
  }

  std::string create_store(std::string_view body = R"({"name":"plant"})") {
    return call("POST", "/v1/vector_stores", std::string(body)).text("id");
  }

  // Until the file is no longer in progress.
  Reply wait_for_file(const std::string& store, const std::string& file) {
    const auto deadline = Deadline::after(std::chrono::seconds(20));
    while (true) {
      Reply reply = call("GET", fmt::format("/v1/vector_stores/{}/files/{}", store, file));
      if (reply.status != 200 || reply.text("status") != "in_progress" || deadline.expired()) return reply;
    }
  }

  // A store with the handbook in it; the file's id.
  std::pair<std::string, std::string> handbook() {
    const std::string store = create_store();
    const std::string file = upload("handbook.txt", kHandbook).text("id");
    call("POST", fmt::format("/v1/vector_stores/{}/files", store),
         fmt::format(R"({{"file_id":"{}","attributes":{{"year":2024,"kind":"turbine"}}}})", file));
    EXPECT_EQ(wait_for_file(store, file).text("status"), "completed");
    return {store, file};
  }

  std::string create_key(const std::string& key, const std::string& tenant, std::vector<std::string> scopes) {
    storage::ApiKeyRecord record;
    record.id = "key_" + key;
    record.name = key;
    record.tenant = tenant;
    record.hash = sha256_hex(key);
    record.prefix = key.substr(0, 2);
    record.scopes = std::move(scopes);
    record.created_at = clock_.unix_seconds();
    database_->insert_key(record).value();
    return record.id;
  }

  static std::vector<std::pair<std::string, std::string>> bearer(const std::string& key) {
    return {{"authorization", "Bearer " + key}};
  }

  std::size_t blob_count() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path() / "files")) {
      count += entry.is_regular_file();
    }
    return count;
  }

  TemporaryDirectory directory_;
  ManualClock clock_;
  std::unique_ptr<telemetry::Logger> log_ = telemetry::Logger::null();
  telemetry::Metrics metrics_;
  std::atomic<bool> ready_{true};
  std::unique_ptr<storage::Database> database_ = storage::open_sqlite(directory_.path() / "ragtime.db").value();
  std::unique_ptr<storage::BlobStore> blobs_ = storage::open_directory_blobs(directory_.path() / "files").value();
  async::ThreadPool compute_{{"compute", 2, 1024}};
  async::ThreadPool blocking_{{"blocking", 2, 1024}};
  std::unique_ptr<documents::Parser> parser_ = documents::Parser::create({}, blocking_);
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<rag::Ingestor> ingestor_;
  std::unique_ptr<rag::Answerer> answerer_;
  std::vector<encoder::Embedder*> embedders_;
  std::vector<encoder::Reranker*> rerankers_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(ServiceTest, FilesLiveAndDie) {
  const Reply created = upload("../水泵.txt", "hello");
  ASSERT_EQ(created.status, 200) << created.body;
  EXPECT_EQ(created.text("filename"), "水泵.txt");
  EXPECT_EQ(created.parsed().at("bytes"), 5);
  EXPECT_FALSE(created.headers.find("x-request-id").value_or("").empty());
  const std::string id = created.text("id");
  EXPECT_EQ(call("GET", "/v1/files/" + id).body, created.body);
  const Reply content = call("GET", "/v1/files/" + id + "/content");
  EXPECT_EQ(content.body, "hello");
  EXPECT_NE(content.headers.find("content-disposition").value_or("").find("%E6%B0%B4"), std::string_view::npos);

  const std::string twin = upload("twin.txt", "hello").text("id");
  EXPECT_EQ(call("GET", "/v1/files?limit=1&order=asc").parsed().at("data").at(0).at("id"), json::value(id));
  EXPECT_EQ(call("GET", "/v1/files?limit=1&order=asc").parsed().at("has_more"), true);
  EXPECT_EQ(call("GET", "/v1/files?order=asc&after=" + id).parsed().at("data").at(0).at("id"), json::value(twin));
  EXPECT_EQ(call("GET", "/v1/files?purpose=batch").parsed().at("data").as_array().size(), 0u);

  EXPECT_EQ(call("DELETE", "/v1/files/" + id).text("object"), "file");
  EXPECT_EQ(call("GET", "/v1/files/" + id).status, 404);
  EXPECT_EQ(call("GET", "/v1/files/" + twin + "/content").body, "hello") << "the twin's content must stay";
  EXPECT_EQ(blob_count(), 1u);
  call("DELETE", "/v1/files/" + twin);
  EXPECT_EQ(blob_count(), 0u);
}

TEST_F(ServiceTest, WrongUploadsNameTheFieldAndLeaveNothing) {
  EXPECT_EQ(upload("a.txt", "x", "mischief").error().at("param"), "purpose");
  EXPECT_EQ(upload("a.txt", std::string(300u << 10, 'x')).status, 413);
  const auto form = [&](std::string body) {
    return call("POST", "/v1/files", std::move(body), {{"content-type", "multipart/form-data; boundary=b"}});
  };
  EXPECT_EQ(
      form("--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n").error().at("param"),
      "file");
  EXPECT_EQ(form("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n")
                .error()
                .at("param"),
            "purpose");
  EXPECT_EQ(form("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx").status, 400);
  EXPECT_EQ(call("POST", "/v1/files", "{}").status, 400);
  EXPECT_EQ(blob_count(), 0u);
  EXPECT_TRUE(call("GET", "/v1/files").parsed().at("data").as_array().empty());
}

TEST_F(ServiceTest, VectorStoresAreCreatedChangedAndDeleted) {
  const Reply created =
      call("POST", "/v1/vector_stores",
           R"({"name":"a","metadata":{"k":"v"},"expires_after":{"anchor":"last_active_at","days":3}})");
  ASSERT_EQ(created.status, 200) << created.body;
  const std::string id = created.text("id");
  EXPECT_EQ(created.text("status"), "completed");
  EXPECT_EQ(created.parsed().at("expires_at"), clock_.unix_seconds() + 3 * 86'400);
  const Reply updated = call("POST", "/v1/vector_stores/" + id, R"({"name":"b","expires_after":null})");
  EXPECT_EQ(updated.text("name"), "b");
  EXPECT_TRUE(updated.parsed().at("expires_after").is_null());
  EXPECT_EQ(updated.parsed().at("metadata").at("k"), "v");
  EXPECT_EQ(call("GET", "/v1/vector_stores").parsed().at("data").as_array().size(), 1u);
  EXPECT_EQ(call("DELETE", "/v1/vector_stores/" + id).text("object"), "vector_store.deleted");
  EXPECT_EQ(call("GET", "/v1/vector_stores/" + id).status, 404);
  EXPECT_EQ(call("POST", "/v1/vector_stores", R"({"file_ids":["file-none"]})").error().at("param"), "file_ids[0]");
  EXPECT_TRUE(call("GET", "/v1/vector_stores").parsed().at("data").as_array().empty()) << "nothing half created";
}

TEST_F(ServiceTest, AStoreHasARankingOfItsOwn) {
  const Reply created = call("POST", "/v1/vector_stores", R"({"name":"a","ragtime":{"bm25":{"k1":1.2,"b":0.75}}})");
  ASSERT_EQ(created.status, 200) << created.body;
  const std::string path = "/v1/vector_stores/" + created.text("id");
  const auto bm25 = [&] { return call("GET", path).parsed().at("ragtime").at("bm25"); };
  EXPECT_EQ(bm25(), json::parse(R"({"k1":1.2,"b":0.75,"heading_weight":null})"));
  EXPECT_EQ(call("POST", path, R"({"name":"b"})").status, 200);
  EXPECT_EQ(bm25().at("k1"), 1.2) << "what is not named stays";
  call("POST", path, R"({"ragtime":{"bm25":{"k1":null,"heading_weight":3}}})");
  EXPECT_TRUE(bm25().at("k1").is_null());
  EXPECT_EQ(bm25().at("b"), 0.75);
  EXPECT_EQ(bm25().at("heading_weight").to_number<double>(), 3);
  call("POST", path, R"({"ragtime":{"bm25":null}})");
  EXPECT_EQ(bm25(), json::parse(R"({"k1":null,"b":null,"heading_weight":null})"));
  EXPECT_EQ(call("POST", path, R"({"ragtime":{"bm25":{"b":1.5}}})").error().at("param"), "ragtime.bm25.b");
  EXPECT_EQ(call("POST", path, R"({"ragtime":{"bm25":{"k1":"x"}}})").error().at("param"), "ragtime.bm25.k1");
  EXPECT_EQ(call("POST", path, R"({"ragtime":{"bm25":[]}})").error().at("param"), "ragtime.bm25");
  EXPECT_EQ(call("POST", path, R"({"ragtime":7})").error().at("param"), "ragtime");
  EXPECT_TRUE(bm25().at("b").is_null()) << "a refused change changes nothing";
}

TEST_F(ServiceTest, AnExpiredStoreIsNotSearched) {
  const std::string id = create_store(R"({"name":"a","expires_after":{"anchor":"last_active_at","days":1}})");
  clock_.advance(80'000);
  EXPECT_EQ(call("POST", "/v1/vector_stores/" + id + "/search", R"({"query":"x"})").status, 200);
  clock_.advance(80'000);
  EXPECT_EQ(call("POST", "/v1/vector_stores/" + id + "/search", R"({"query":"x"})").status, 200)
      << "search keeps alive";
  clock_.advance(86'400);
  EXPECT_EQ(call("GET", "/v1/vector_stores/" + id).text("status"), "expired");
  EXPECT_EQ(call("POST", "/v1/vector_stores/" + id + "/search", R"({"query":"x"})").status, 400);
}

TEST_F(ServiceTest, FilesInStoresAreAttachedSearchedAndDetached) {
  const auto [store, file] = handbook();
  const std::string base = "/v1/vector_stores/" + store;
  const Reply page = call("POST", base + "/search", R"({"query":"How often is the oil filter replaced?"})");
  ASSERT_EQ(page.status, 200) << page.body;
  const json::value hit = page.parsed().at("data").at(0);
  EXPECT_EQ(hit.at("file_id"), json::value(file));
  EXPECT_EQ(hit.at("attributes").at("year"), 2024);
  EXPECT_NE(std::string(hit.at("content").at(0).at("text").as_string()).find("250 operating hours"), std::string::npos);
  EXPECT_EQ(page.parsed().at("search_query").at(0), "How often is the oil filter replaced?");
  EXPECT_TRUE(page.parsed().at("ragtime").at("timings").as_object().contains("total"));

  const auto found = [&](std::string_view filters) {
    const Reply reply = call("POST", base + "/search", fmt::format(R"({{"query":"Kestrel","filters":{}}})", filters));
    return reply.parsed().at("data").as_array().size();
  };
  EXPECT_GT(found(R"({"type":"eq","key":"kind","value":"turbine"})"), 0u);
  EXPECT_EQ(found(R"({"type":"lt","key":"year","value":2024})"), 0u);

  EXPECT_EQ(
      call("POST", base + "/files/" + file, R"({"attributes":{"year":1999}})").parsed().at("attributes").at("year"),
      1999);
  EXPECT_GT(found(R"({"type":"lt","key":"year","value":2000})"), 0u);
  EXPECT_NE(call("GET", base + "/files/" + file + "/content").body.find("412 revolutions"), std::string::npos);
  EXPECT_EQ(call("POST", base + "/files", fmt::format(R"({{"file_id":"{}"}})", file)).text("status"), "completed")
      << "attaching twice does no harm";
  EXPECT_EQ(call("GET", base + "/files?filter=completed").parsed().at("data").as_array().size(), 1u);
  EXPECT_EQ(call("GET", base + "/files?filter=failed").parsed().at("data").as_array().size(), 0u);
  EXPECT_EQ(call("GET", base + "/files?filter=wild").status, 400);

  EXPECT_EQ(call("DELETE", base + "/files/" + file).text("object"), "vector_store.file.deleted");
  EXPECT_EQ(call("GET", base + "/files/" + file).status, 404);
  EXPECT_EQ(call("GET", "/v1/files/" + file).status, 200);
  EXPECT_EQ(found("null"), 0u);
}

TEST_F(ServiceTest, SearchSaysHowManyCandidatesItsStagesHad) {
  const auto [store, file] = handbook();
  const Reply page = call("POST", "/v1/vector_stores/" + store + "/search", R"({"query":"oil filter"})");
  const auto parsed = page.parsed();
  EXPECT_GT(parsed.at("ragtime").at("counts").at("lexical").to_number<int>(), 0);
  EXPECT_GT(parsed.at("ragtime").at("counts").at("load").to_number<int>(), 0);
}

TEST_F(ServiceTest, StoreSaysHowItIsIndexed) {
  const std::string empty = call("POST", "/v1/vector_stores", R"({"name":"empty"})").text("id");
  EXPECT_EQ(call("GET", "/v1/vector_stores/" + empty).parsed().at("index").at("chunks"), 0);
  const auto [store, file] = handbook();
  const json::value index = call("GET", "/v1/vector_stores/" + store).parsed().at("index");
  EXPECT_EQ(index.at("documents"), 1);
  EXPECT_GT(index.at("chunks").to_number<int>(), 0);
  EXPECT_EQ(index.at("lexical").at("chunks"), index.at("chunks"));
  EXPECT_GT(index.at("lexical").at("bytes").to_number<int>(), 0);
  if (index.at("vector").is_object()) {
    EXPECT_EQ(index.at("vector").at("kind"), "flat");
    EXPECT_EQ(index.at("vector").at("file_bytes"), 0);
  }
}

TEST_F(ServiceTest, DeletingAFileTakesItOutOfEveryStore) {
  const auto [store, file] = handbook();
  EXPECT_EQ(call("DELETE", "/v1/files/" + file).status, 200);
  const Reply page = call("POST", "/v1/vector_stores/" + store + "/search", R"({"query":"oil filter"})");
  EXPECT_TRUE(page.parsed().at("data").as_array().empty());
  EXPECT_EQ(blob_count(), 0u);
}

TEST_F(ServiceTest, AFileThatCannotBeReadFailsWithAReason) {
  const std::string store = create_store();
  const std::string file = upload("blank.txt", " \n ").text("id");
  call("POST", fmt::format("/v1/vector_stores/{}/files", store), fmt::format(R"({{"file_id":"{}"}})", file));
  const Reply reply = wait_for_file(store, file);
  EXPECT_EQ(reply.text("status"), "failed");
  EXPECT_EQ(reply.parsed().at("last_error").at("code"), "invalid_file");
}

TEST_F(ServiceTest, BatchesAttachManyFiles) {
  const std::string store = create_store();
  const std::string base = "/v1/vector_stores/" + store + "/file_batches";
  const std::string one = upload("one.txt", "The door is blue.").text("id");
  const std::string two = upload("two.txt", "The roof is red.").text("id");
  const Reply created =
      call("POST", base,
           fmt::format(R"({{"files":[{{"file_id":"{}","attributes":{{"n":1}}}},{{"file_id":"{}"}}]}})", one, two));
  ASSERT_EQ(created.status, 200) << created.body;
  EXPECT_EQ(created.text("object"), "vector_store.files_batch");
  const std::string batch = created.text("id");
  const auto deadline = Deadline::after(std::chrono::seconds(20));
  Reply state = created;
  while (state.text("status") == "in_progress" && !deadline.expired()) {
    EXPECT_TRUE(state.headers.find("openai-poll-after-ms"));
    state = call("GET", base + "/" + batch);
  }
  EXPECT_EQ(state.text("status"), "completed");
  EXPECT_EQ(state.parsed().at("file_counts").at("completed"), 2);
  EXPECT_EQ(call("GET", base + "/" + batch + "/files").parsed().at("data").as_array().size(), 2u);
  EXPECT_EQ(call("POST", base, fmt::format(R"({{"file_ids":["{}"]}})", one)).status, 409);
  EXPECT_EQ(call("POST", base, R"({"file_ids":[]})").error().at("param"), "file_ids");
  EXPECT_EQ(call("POST", base, R"({"file_ids":["a"],"files":[{"file_id":"b"}]})").error().at("param"), "files");
  EXPECT_EQ(call("POST", base, R"({"files":[{"file_id":"file-none"}]})").error().at("param"), "files[0].file_id");
  EXPECT_EQ(call("POST", base + "/" + batch + "/cancel").status, 200);
  EXPECT_EQ(call("GET", base + "/vsfb_none").status, 404);
}

// The row of a file is committed a moment before the index shows it.
TEST_F(ServiceTest, FilesThatAreCountedAsCompletedAreIndexed) {
  const std::string store = "/v1/vector_stores/" + create_store();
  constexpr std::int64_t kFiles = 40;
  json::array ids;
  for (int i = 0; i < kFiles; ++i) ids.push_back(json::value(upload("lamp.txt", fmt::format("Lamp {}.", i)).text("id")));
  const json::object body{{"file_ids", ids}};
  const std::string batch = call("POST", store + "/file_batches", json_text(body)).text("id");
  const auto completed = [](const json::value& shown) { return shown.at("file_counts").at("completed").as_int64(); };
  const auto indexed = [](const json::value& shown) { return shown.at("index").at("documents").to_number<int>(); };
  const auto deadline = Deadline::after(std::chrono::seconds(20));
  std::int64_t seen = 0;
  while (seen < kFiles && !deadline.expired()) {
    seen = completed(call("GET", store + "/file_batches/" + batch).parsed());
    const json::value shown = call("GET", store).parsed();
    ASSERT_GE(indexed(shown), seen);
    ASSERT_GE(indexed(shown), completed(shown));
  }
  EXPECT_EQ(seen, kFiles);
}

TEST_F(ServiceTest, DocumentsArePutByPathOnceAndReplaced) {
  const std::string path = "/v1/vector_stores/default/documents/%2Fhome%2Fme%2Fa%20b.txt";
  EXPECT_EQ(call("GET", "/v1/vector_stores/default/documents").status, 200) << "before the first document";
  const Reply added = call("PUT", path, "# Title\n\nThe pump is green.\n");
  ASSERT_EQ(added.status, 200) << added.body;
  EXPECT_EQ(added.text("outcome"), "added");
  EXPECT_EQ(added.text("path"), "/home/me/a b.txt");
  EXPECT_EQ(call("PUT", path, "# Title\n\nThe pump is green.\n").text("outcome"), "unchanged");
  EXPECT_EQ(blob_count(), 1u);
  EXPECT_EQ(call("PUT", path, "# Title\n\nThe pump is yellow.\n").text("outcome"), "replaced");

  const json::value listed = call("GET", "/v1/vector_stores/default/documents?prefix=/home/").parsed();
  ASSERT_EQ(listed.at("data").as_array().size(), 1u);
  EXPECT_EQ(listed.at("data").at(0).at("path"), "/home/me/a b.txt");
  EXPECT_EQ(listed.at("data").at(0).at("sha256"), json::value(sha256_hex("# Title\n\nThe pump is yellow.\n")));
  EXPECT_TRUE(call("GET", "/v1/vector_stores/default/documents?prefix=/etc").parsed().at("data").as_array().empty());

  EXPECT_GE(call("PUT", path, " ").status, 400) << "a file without text";
  EXPECT_EQ(call("GET", "/v1/vector_stores/default/documents").parsed().at("data").as_array().size(), 1u);
  EXPECT_EQ(call("DELETE", path).status, 200);
  EXPECT_EQ(call("DELETE", path).status, 404);
  EXPECT_EQ(blob_count(), 0u);
  EXPECT_EQ(call("PUT", "/v1/vector_stores/nowhere/documents/a.txt", "x").status, 404);
}

TEST_F(ServiceTest, ResponsesCiteAndAreStored) {
  const auto [store, file] = handbook();
  const std::string body = fmt::format(
      R"({{"model":"ragtime-extractive","input":"How often is the oil filter replaced?","include":["file_search_call.results"],
           "metadata":{{"a":"b"}},"tools":[{{"type":"file_search","vector_store_ids":["{}"]}}]}})",
      store);
  const Reply reply = call("POST", "/v1/responses", body);
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json::value response = reply.parsed();
  EXPECT_EQ(response.at("status"), "completed");
  EXPECT_EQ(response.at("output").at(0).at("type"), "file_search_call");
  EXPECT_EQ(response.at("output").at(0).at("results").at(0).at("file_id"), json::value(file));
  const json::value part = response.at("output").at(1).at("content").at(0);
  EXPECT_NE(std::string(part.at("text").as_string()).find("250"), std::string::npos);
  const json::value annotation = part.at("annotations").at(0);
  EXPECT_EQ(annotation.at("file_id"), json::value(file));
  EXPECT_EQ(annotation.at("verified"), true);
  const std::string quote(annotation.at("quote").as_string());
  const auto begin = static_cast<std::size_t>(annotation.at("start").as_int64());
  EXPECT_EQ(kHandbook.substr(begin, static_cast<std::size_t>(annotation.at("end").as_int64()) - begin), quote);
  for (const char* field : {"parallel_tool_calls", "tool_choice", "tools", "temperature", "top_p", "text", "truncation",
                            "metadata", "usage", "error", "incomplete_details", "instructions", "ragtime"}) {
    EXPECT_TRUE(response.as_object().contains(field)) << field;
  }

  const std::string id = reply.text("id");
  EXPECT_EQ(call("GET", "/v1/responses/" + id).body, reply.body);
  const json::value items = call("GET", "/v1/responses/" + id + "/input_items").parsed();
  EXPECT_EQ(items.at("data").at(0).at("content").at(0).at("text"), "How often is the oil filter replaced?");

  const Reply second =
      call("POST", "/v1/responses", fmt::format(R"({{"input":"And the speed?","previous_response_id":"{}"}})", id));
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(call("GET", "/v1/responses/" + second.text("id") + "/input_items?order=asc")
                .parsed()
                .at("data")
                .as_array()
                .size(),
            4u)
      << "question, search, answer, question";
  EXPECT_EQ(call("DELETE", "/v1/responses/" + id).parsed().at("deleted"), true);
  EXPECT_EQ(call("GET", "/v1/responses/" + id).status, 404);
  EXPECT_EQ(call("POST", "/v1/responses", fmt::format(R"({{"input":"x","previous_response_id":"{}"}})", id))
                .error()
                .at("param"),
            "previous_response_id");
}

TEST_F(ServiceTest, ResponsesThatShallNotBeStoredAreNot) {
  const Reply reply = call("POST", "/v1/responses", R"({"input":"hello","store":false})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(call("GET", "/v1/responses/" + reply.text("id")).status, 404);
}

TEST_F(ServiceTest, StreamedResponsesAreStoredBeforeTheLastEvent) {
  const auto [store, file] = handbook();
  const Reply reply =
      call("POST", "/v1/responses",
           fmt::format(R"({{"model":"ragtime-extractive@{}","input":"idle speed?","stream":true}})", store));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_TRUE(reply.headers.find("content-type").value_or("").starts_with("text/event-stream"));
  http::SseParser parser;
  const std::vector<http::SseEvent> events = parser.feed(reply.body);
  ASSERT_GT(events.size(), 5u);
  EXPECT_EQ(events.front().event, "response.created");
  EXPECT_EQ(events.back().data, "[DONE]");
  const json::value last = json::parse(events[events.size() - 2].data);
  EXPECT_EQ(last.at("type"), "response.completed");
  EXPECT_EQ(last.at("response").at("model"), json::value("ragtime-extractive@" + store));
  const std::string id(last.at("response").at("id").as_string());
  EXPECT_EQ(call("GET", "/v1/responses/" + id).parsed().at("output"), last.at("response").at("output"));
}

TEST_F(ServiceTest, ChatAnswersOverAStoreByNameAndByTool) {
  const auto [store, file] = handbook();
  const auto ask = [&](std::string_view fields) {
    return call(
        "POST", "/v1/chat/completions",
        fmt::format(R"({{"messages":[{{"role":"user","content":"How often is the oil filter replaced?"}}],{}}})",
                    fields));
  };
  for (const std::string& fields :
       {std::string(R"("model":"ragtime-extractive@plant")"), fmt::format(R"("model":"ragtime-extractive@{}")", store),
        fmt::format(R"("tools":[{{"type":"file_search","vector_store_ids":["{}"]}}])", store)}) {
    const Reply reply = ask(fields);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const json::value message = reply.parsed().at("choices").at(0).at("message");
    EXPECT_NE(std::string(message.at("content").as_string()).find("250"), std::string::npos);
    EXPECT_EQ(message.at("annotations").at(0).at("file_id"), json::value(file));
  }
  const Reply streamed = ask(R"("model":"ragtime-extractive@plant","stream":true)");
  EXPECT_NE(streamed.body.find("\"ragtime\""), std::string::npos);
  EXPECT_TRUE(streamed.body.ends_with("data: [DONE]\n\n"));
}

TEST_F(ServiceTest, WrongAnswersRequestsNameTheParameter) {
  const auto param = [&](std::string_view path, std::string body) {
    const Reply reply = call("POST", path, std::move(body));
    EXPECT_GE(reply.status, 400) << reply.body;
    const json::value at = reply.error().at("param");
    return at.is_string() ? std::string(at.as_string()) : std::string("null");
  };
  const std::string responses = "/v1/responses";
  EXPECT_EQ(param(responses, R"({"input":5})"), "input");
  EXPECT_EQ(param(responses, R"({"input":"x","stream":"yes"})"), "stream");
  EXPECT_EQ(param(responses, R"({"input":"x","background":true})"), "background");
  EXPECT_EQ(param(responses, R"({"input":"x","temperature":"hot"})"), "temperature");
  EXPECT_EQ(param(responses, R"({"input":"x","tools":[{"type":"function","name":"f"}]})"), "tools[0].type");
  EXPECT_EQ(param(responses, R"({"input":"x","tools":[{"type":"file_search"}]})"), "tools[0].vector_store_ids");
  EXPECT_EQ(param(responses, R"({"input":"x","tools":[{"type":"file_search","vector_store_ids":["vs_none"]}]})"),
            "tools[0].vector_store_ids[0]");
  EXPECT_EQ(param(responses, R"({"input":"x","tools":[{"type":"file_search","vector_store_ids":["a"],
      "ranking_options":{"hybrid_search":{"embedding_weight":0,"text_weight":0}}}]})"),
            "tools[0].ranking_options.hybrid_search");
  EXPECT_EQ(param(responses, R"({"input":"x","include":["everything"]})"), "include[0]");
  EXPECT_EQ(param(responses, R"({"input":"x","model":"gpt-99"})"), "model");
  EXPECT_EQ(param(responses, R"({"input":"x","model":"ragtime-extractive@nowhere"})"), "model");
  create_store("{}");
  EXPECT_EQ(param(responses, R"({"input":"x","model":"ragtime-extractive@"})"), "model") << "no store has no name";
  EXPECT_EQ(param(responses, R"({"input":"x","text":{"format":{"type":"json_object"}}})"), "text.format");
  const std::string chat = "/v1/chat/completions";
  EXPECT_EQ(param(chat, R"({})"), "messages");
  EXPECT_EQ(param(chat, R"({"messages":[]})"), "messages");
  EXPECT_EQ(param(chat, R"({"messages":[{"role":"user","content":"x"}],"n":2})"), "n");
  EXPECT_EQ(param(chat, R"({"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"function"}})"),
            "tool_choice.type");
  EXPECT_EQ(call("POST", chat, R"({"messages":[{"role":"user","content":"x"}],"model":"gpt-99"})").error().at("code"),
            "model_not_found");
  EXPECT_EQ(call("POST", chat, "{bad").status, 400);
  EXPECT_EQ(call("POST", chat, std::string(70u << 10, ' ')).status, 413);
  EXPECT_EQ(call("GET", "/v1/nothing").error().at("type"), "not_found");
  EXPECT_EQ(call("PATCH", "/v1/files").status, 405);
}

TEST_F(ServiceTest, EmbeddingsWithoutAModelSayWhatToDo) {
  const Reply reply = call("POST", "/v1/embeddings", R"({"model":"m","input":"x"})");
  EXPECT_EQ(reply.status, 404);
  EXPECT_NE(std::string(reply.error().at("message").as_string()).find("ragtime model add"), std::string::npos);
}

TEST_F(ServiceTest, EmbeddingsComeAsFloatsAndBase64) {
  stop();
  LengthEmbedder embedder;
  start(&embedder);
  const auto embed = [&](std::string_view fields) {
    return call("POST", "/v1/embeddings", fmt::format(R"({{"model":"toy",{}}})", fields));
  };
  const Reply floats = embed(R"("input":["odd","even"])");
  ASSERT_EQ(floats.status, 200) << floats.body;
  EXPECT_NE(floats.body.find("[0.6,0.8"), std::string::npos) << floats.body;
  EXPECT_EQ(floats.parsed().at("data").at(1).at("index"), 1);
  EXPECT_EQ(floats.parsed().at("usage").at("prompt_tokens"), 6);
  const Reply base64 = embed(R"("input":"odd","encoding_format":"base64")");
  EXPECT_EQ(base64.parsed().at("data").at(0).at("embedding"), "mpkZP83MTD8AAAAAAAAAAA==");
  EXPECT_EQ(
      embed(R"("input":"odd","dimensions":1)").parsed().at("data").at(0).at("embedding").at(0).to_number<double>(), 1);
  EXPECT_EQ(embed(R"("input":"x","dimensions":5)").error().at("param"), "dimensions");
  EXPECT_EQ(embed(R"("input":"")").error().at("param"), "input");
  EXPECT_EQ(embed(R"("input":["a",""])").error().at("param"), "input[1]");
  EXPECT_EQ(embed(R"("input":[])").error().at("param"), "input");
  const Reply one = embed(R"("input":[7,2,3])");
  EXPECT_EQ(one.parsed().at("data").as_array().size(), 1u) << one.body;
  EXPECT_EQ(one.parsed().at("data").at(0).at("embedding").at(0).to_number<double>(), 7);
  EXPECT_EQ(one.parsed().at("usage").at("prompt_tokens"), 3);
  const Reply two = embed(R"("input":[[7,2],[9]])");
  EXPECT_EQ(two.parsed().at("data").at(1).at("embedding").at(0).to_number<double>(), 9) << two.body;
  EXPECT_EQ(embed(R"("input":[[7],[]])").error().at("param"), "input[1]");
  EXPECT_EQ(embed(R"("input":[[7],"x"])").status, 400);
  EXPECT_EQ(embed(R"("input":["x",7])").status, 400);
  EXPECT_EQ(embed(R"("input":[7,"x"])").error().at("param"), "input[1]");
  EXPECT_EQ(embed(R"("input":[-1])").error().at("param"), "input[0]");
  EXPECT_EQ(embed(R"("input":"x","encoding_format":"hex")").error().at("param"), "encoding_format");
  EXPECT_EQ(call("POST", "/v1/embeddings", R"({"model":"other","input":"x"})").status, 404);
  EXPECT_EQ(call("GET", "/v1/models/toy").text("task"), "embedding");
  EXPECT_EQ(call("POST", "/v1/responses", R"({"model":"toy","input":"x"})").status, 400);
}

TEST_F(ServiceTest, EmbeddingsOfFurtherModelsGoByName) {
  stop();
  LengthEmbedder further;
  embedders_ = {&further};
  start(nullptr);
  EXPECT_EQ(call("POST", "/v1/embeddings", R"({"model":"toy","input":"odd"})").status, 200);
  EXPECT_EQ(call("POST", "/v1/embeddings", R"({"model":"m","input":"odd"})").status, 404);
}

// Longer documents are better; the logit is the length, less four.
class LengthReranker final : public encoder::Reranker {
 public:
  const encoder::RerankerInfo& info() const override { return info_; }
  Task<Result<encoder::RerankScores>> score(std::string, std::vector<std::string> documents, RequestContext&) override {
    encoder::RerankScores out;
    for (const std::string& text : documents) out.logits.push_back(static_cast<float>(text.size()) - 4);
    out.tokens = 17;
    co_return out;
  }

 private:
  encoder::RerankerInfo info_{"longest", 512};
};

class RerankTest : public ServiceTest {
 protected:
  void SetUp() override {
    rerankers_ = {&reranker_};
    start(nullptr);
  }
  Reply rerank(std::string_view fields, std::string_view path = "/v1/rerank") {
    return call("POST", path, fmt::format("{{{}}}", fields));
  }

  LengthReranker reranker_;
};

TEST_F(RerankTest, AnswersBestFirstInTheShapeOfJinaAndCohere) {
  const Reply reply = rerank(
      R"("model":"longest","query":"q","documents":["long","longest",{"text":"longer"}],"top_n":2,"return_documents":true)");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json::value body = reply.parsed();
  const json::array& results = body.at("results").as_array();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].at("index"), 1);
  EXPECT_EQ(results[1].at("index"), 2);
  EXPECT_EQ(results[1].at("document").at("text"), "longer");
  EXPECT_NEAR(results[0].at("relevance_score").to_number<double>(), 0.952574, 1e-5);
  EXPECT_EQ(body.at("usage").at("total_tokens"), 17);
  EXPECT_EQ(body.at("meta").at("api_version").at("version"), "1");
  EXPECT_EQ(body.at("model"), "longest");
  EXPECT_FALSE(body.at("id").as_string().empty());
  EXPECT_EQ(call("GET", "/v1/models/longest").text("task"), "rerank");
}

TEST_F(RerankTest, OtherPathsAndRawScores) {
  const Reply cohere = rerank(R"("query":"q","documents":["long"],"raw_scores":true)", "/v2/rerank");
  EXPECT_EQ(cohere.parsed().at("results").at(0).at("relevance_score").to_number<double>(), 0);
  EXPECT_EQ(cohere.parsed().at("meta").at("api_version").at("version"), "2");
  EXPECT_FALSE(cohere.parsed().at("results").at(0).as_object().contains("document"));
  EXPECT_EQ(rerank(R"("query":"q","documents":["long"])", "/rerank").parsed().at("results").as_array().size(), 1u);
}

TEST_F(RerankTest, TextsAreAnsweredWithABareArray) {
  const Reply reply = rerank(R"("query":"q","texts":["long","longer"],"return_text":true)", "/rerank");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json::array results = reply.parsed().as_array();
  EXPECT_EQ(results.at(0).at("index"), 1);
  EXPECT_EQ(results.at(0).at("text"), "longer");
  EXPECT_EQ(results.at(1).at("score").to_number<double>(), 0.5);
}

TEST_F(RerankTest, MistakesNameTheField) {
  const auto param = [&](std::string_view fields, std::string_view path = "/v1/rerank") {
    const Reply reply = rerank(fields, path);
    return reply.status == 400 ? json::value(reply.error().at("param")) : json::value(reply.status);
  };
  EXPECT_EQ(param(R"("documents":["a"])"), "query");
  EXPECT_EQ(param(R"("query":"","documents":["a"])"), "query");
  EXPECT_EQ(param(R"("query":"q")"), "documents");
  EXPECT_EQ(param(R"("query":"q","documents":[])"), "documents");
  EXPECT_EQ(param(R"("query":"q","documents":"a")"), "documents");
  EXPECT_EQ(param(R"("query":"q","documents":["a",5])"), "documents[1]");
  EXPECT_EQ(param(R"("query":"q","documents":[{"title":"a"}])"), "documents[0].text");
  EXPECT_EQ(param(R"("query":"q","documents":["a"],"top_n":0)"), "top_n");
  EXPECT_EQ(param(R"("query":"q","texts":[])", "/rerank"), "texts");
  EXPECT_EQ(param(R"("query":"q","texts":["a"])"), "documents");
  std::string many = "\"a\"";
  for (int i = 0; i < 1000; ++i) many += ",\"a\"";
  EXPECT_EQ(param(fmt::format(R"("query":"q","documents":[{}])", many)), "documents");
  const Reply unknown = rerank(R"("model":"best","query":"q","documents":["a"])");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.error().at("code"), "model_not_found");
}

TEST_F(ServiceTest, RerankWithoutAModelSaysWhatToDo) {
  const Reply reply = call("POST", "/v1/rerank", R"({"query":"q","documents":["a"]})");
  EXPECT_EQ(reply.status, 404);
  EXPECT_NE(reply.body.find("ragtime model add"), std::string::npos);
}

TEST_F(ServiceTest, LocalModeChecksHostAndOrigin) {
  const auto status = [&](std::string header, std::string value) {
    return call("GET", "/v1/models", {}, {{std::move(header), std::move(value)}}).status;
  };
  EXPECT_EQ(status("host", "localhost"), 200);
  EXPECT_EQ(status("host", "127.0.0.1:99"), 200);
  EXPECT_EQ(status("host", "[::1]:99"), 200);
  EXPECT_EQ(status("host", "RAGTIME.example"), 200);
  EXPECT_EQ(status("host", "evil.example"), 403);
  EXPECT_EQ(status("host", "127.0.0.1.evil.example"), 403);
  EXPECT_EQ(status("origin", "http://localhost:3000"), 200);
  EXPECT_EQ(status("origin", "https://evil.example"), 403);
  EXPECT_EQ(status("origin", "null"), 403);
  EXPECT_EQ(status("authorization", "Bearer whatever"), 200) << "clients always send some key";
  EXPECT_EQ(call("GET", "/healthz", {}, {{"host", "evil.example"}}).status, 200);
}

TEST_F(ServiceTest, TheFirstKeyEndsTheLocalMode) {
  EXPECT_EQ(call("GET", "/v1/models").status, 200);
  create_key("rt-all", "a", {"read", "write", "admin"});
  const Reply refused = call("GET", "/v1/models");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.error().at("code"), "invalid_api_key");
  EXPECT_EQ(call("GET", "/metrics").status, 401);
  EXPECT_EQ(call("GET", "/v1/models", {}, bearer("rt-wrong")).status, 401);
  EXPECT_EQ(call("GET", "/v1/models", {}, bearer("rt-all")).status, 200);
  EXPECT_EQ(call("GET", "/v1/models", {}, {{"authorization", "bearer  rt-all "}}).status, 200);
  EXPECT_EQ(call("GET", "/v1/models", {}, bearer("local-secret-token")).status, 200);
  EXPECT_EQ(call("GET", "/v1/models", {}, bearer("local-secret-tokex")).status, 401);
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(call("GET", "/readyz").status, 200);
}

TEST_F(ServiceTest, ScopesAndTenantsHold) {
  create_key("rt-reader", "a", {"read"});
  create_key("rt-ann", "a", {"read", "write"});
  create_key("rt-bob", "b", {"admin"});
  const Reply refused = call("POST", "/v1/vector_stores", R"({"name":"x"})", bearer("rt-reader"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(refused.body.find("'write'"), std::string::npos);
  const std::string store = call("POST", "/v1/vector_stores", R"({"name":"x"})", bearer("rt-ann")).text("id");
  EXPECT_EQ(call("GET", "/v1/vector_stores/" + store, {}, bearer("rt-reader")).status, 200);
  const Reply foreign = call("GET", "/v1/vector_stores/" + store, {}, bearer("rt-bob"));
  EXPECT_EQ(foreign.status, 404);
  EXPECT_EQ(call("GET", "/v1/vector_stores", {}, bearer("rt-bob")).parsed().at("data").as_array().size(), 0u);
  EXPECT_EQ(call("GET", "/v1/status", {}, bearer("rt-ann")).status, 403);
  EXPECT_EQ(call("GET", "/v1/status", {}, bearer("rt-bob")).text("doctor"), "well");
}

TEST_F(ServiceTest, ARevokedKeyEndsWithinSeconds) {
  create_key("rt-stays", "a", {"read"});
  const std::string id = create_key("rt-goes", "a", {"read"});
  EXPECT_EQ(call("GET", "/v1/models", {}, bearer("rt-goes")).status, 200);
  database_->revoke_key(id, clock_.unix_seconds()).value();
  const auto deadline = Deadline::after(std::chrono::seconds(5));
  int status = 200;
  while (status == 200 && !deadline.expired()) status = call("GET", "/v1/models", {}, bearer("rt-goes")).status;
  EXPECT_EQ(status, 401);
}

TEST_F(ServiceTest, HealthMetricsAndDocuments) {
  EXPECT_EQ(call("GET", "/readyz").status, 200);
  ready_ = false;
  EXPECT_EQ(call("GET", "/readyz").status, 503);
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(call("GET", "/health").status, 200);
  const std::string store = create_store();
  call("POST", "/v1/vector_stores/" + store + "/search", R"({"query":"x"})");
  EXPECT_NE(call("GET", "/metrics").body.find("ragtime_stage_seconds_bucket{"), std::string::npos);
  EXPECT_EQ(call("GET", "/openapi.json").body, service_->openapi());
  EXPECT_NE(call("GET", "/docs").body.find("curl"), std::string::npos);
  EXPECT_EQ(call("GET", "/v1/models").parsed().at("data").at(0).at("id"), "ragtime-extractive");
  EXPECT_EQ(call("GET", "/v1/models/ragtime-extractive").text("object"), "model");
  EXPECT_EQ(call("GET", "/v1/models/org%2Fnone").error().at("code"), "model_not_found");
}

TEST(Authentication, KnowsLoopbackAndHostNames) {
  EXPECT_TRUE(is_loopback_address("127.0.0.1"));
  EXPECT_TRUE(is_loopback_address("127.8.9.1"));
  EXPECT_TRUE(is_loopback_address("::1"));
  EXPECT_TRUE(is_loopback_address("::ffff:127.0.0.1"));
  EXPECT_FALSE(is_loopback_address("10.0.0.1"));
  EXPECT_FALSE(is_loopback_address("127.0.0.1.evil.example"));
  EXPECT_FALSE(is_loopback_address("127.1.evil"));
  EXPECT_FALSE(is_loopback_address(""));
  EXPECT_EQ(host_name("LocalHost:80"), "localhost");
  EXPECT_EQ(host_name("[::1]:80"), "::1");
  EXPECT_EQ(host_name("[::1"), "");
}

}  // namespace
}  // namespace ragtime::api
