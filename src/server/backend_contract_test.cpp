// One suite for both backends: the data directory opened directly, and the public API of a running server.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "server/application.h"
#include "server/backend.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

enum class Kind { direct, remote };

Configuration configuration_for(const fs::path& data) {
  Configuration out;
  out.server.data_dir = data.string();
  out.server.listen = "127.0.0.1:0";
  out.encoder.model = "";
  return out;
}

class BackendContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "docs");
    const Configuration configuration = configuration_for(root_ / "data");
    if (GetParam() == Kind::remote) {
      auto started = Application::start(configuration, *log_);
      ASSERT_TRUE(started.has_value()) << started.error().message;
      application_ = std::move(*started);
    }
  }
  void TearDown() override {
    application_.reset();
    fs::remove_all(root_);
  }

  fs::path write(const std::string& name, const std::string& content) {
    std::ofstream(root_ / "docs" / name) << content;
    return root_ / "docs" / name;
  }

  // Opens a backend, runs `body` on it, and closes it on its own event loop.
  template <class T>
  T with_backend(Task<T> (*body)(BackendContract&, Backend&, RequestContext&)) {
    RequestContext context("req-test", std::string(kLocalTenant), Deadline::after(std::chrono::seconds(60)));
    auto backend = open_backend(configuration_for(root_ / "data"), *log_);
    EXPECT_TRUE(backend.has_value()) << backend.error().message;
    return async::sync_wait(run(*this, std::move(*backend), body, context));
  }

  template <class T>
  static Task<T> run(BackendContract& self, std::unique_ptr<Backend> backend,
                     Task<T> (*body)(BackendContract&, Backend&, RequestContext&), RequestContext& context) {
    T out = co_await body(self, *backend, context);
    backend.reset();
    co_return out;
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / make_id("backend-");
  const std::unique_ptr<telemetry::Logger> log_ = telemetry::Logger::null();
  std::unique_ptr<Application> application_;
};

Task<Result<rag::IngestResult>> put(Backend& backend, fs::path file, RequestContext& context) {
  auto ensuring = backend.ensure_store("default", context);
  RAGTIME_CO_TRY_DONE(co_await std::move(ensuring));
  auto putting = backend.put_document("default", std::move(file), context);
  co_return co_await std::move(putting);
}

// The names of the hits' files, or the error.
Task<std::string> search_names(Backend& backend, std::string query, RequestContext& context) {
  SearchQuestion question;
  question.text = std::move(query);
  question.store = "default";
  auto searching = backend.search(std::move(question), context);
  auto results = co_await std::move(searching);
  if (results.has_error()) co_return "error: " + results.error().message;
  std::string out;
  for (const auto& hit : results->hits) out += hit.filename + ";";
  co_return out;
}

TEST_P(BackendContract, DescribesItself) {
  if (GetParam() == Kind::remote) {
    EXPECT_THAT(open_backend(configuration_for(root_ / "data"), *log_).value()->where(),
                HasSubstr("http://127.0.0.1:"));
  } else {
    EXPECT_THAT(open_backend(configuration_for(root_ / "data"), *log_).value()->where(), HasSubstr("data directory"));
  }
}

class LifeOfADocument : public BackendContract {
 public:
  using BackendContract::root_;
  using BackendContract::write;
};

Task<bool> live(BackendContract& test, Backend& backend, RequestContext& context) {
  auto& self = static_cast<LifeOfADocument&>(test);
  const fs::path file = self.write("kestrel 注.md", "# Kestrel\n\nThe rotor idles at 412 revolutions per minute.\n");
  const std::string prefix = (self.root_ / "docs").string() + "/";

  auto listing = backend.list_documents("default", prefix, context);
  auto none = co_await std::move(listing);
  EXPECT_TRUE(none.has_value() && none->empty());

  auto added = co_await put(backend, file, context);
  EXPECT_TRUE(added.has_value()) << added.error().message;
  if (added.has_error()) co_return false;
  EXPECT_EQ(added->outcome, rag::IngestOutcome::added);
  EXPECT_EQ(added->chunks, 1u);
  auto unchanged = co_await put(backend, file, context);
  EXPECT_EQ(unchanged.value().outcome, rag::IngestOutcome::unchanged);

  listing = backend.list_documents("default", prefix, context);
  auto documents = co_await std::move(listing);
  EXPECT_EQ(documents.value().size(), 1u);
  EXPECT_EQ(documents.value().at(0).path, file.string());
  EXPECT_EQ(documents.value().at(0).sha256.size(), 64u);
  EXPECT_EQ(co_await search_names(backend, "rotor", context), "kestrel 注.md;");

  self.write("kestrel 注.md", "# Kestrel\n\nThe blade is made of birch.\n");
  auto replaced = co_await put(backend, file, context);
  EXPECT_EQ(replaced.value().outcome, rag::IngestOutcome::replaced);
  EXPECT_EQ(co_await search_names(backend, "rotor", context), "");
  EXPECT_EQ(co_await search_names(backend, "birch", context), "kestrel 注.md;");

  auto removing = backend.remove_document("default", file.string(), context);
  EXPECT_TRUE((co_await std::move(removing)).has_value());
  EXPECT_EQ(co_await search_names(backend, "birch", context), "");
  co_return true;
}

TEST_P(LifeOfADocument, PutListSearchReplaceRemove) {
  EXPECT_TRUE(with_backend<bool>(live));
  std::size_t blobs = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "data" / "files")) blobs += entry.is_regular_file();
  EXPECT_EQ(blobs, 0u) << "contents of removed and replaced documents stay behind";
}

Task<bool> ask_it(BackendContract& test, Backend& backend, RequestContext& context) {
  auto& self = static_cast<LifeOfADocument&>(test);
  const fs::path file = self.write("kestrel.md", "# Kestrel\n\nThe rotor idles at 412 revolutions per minute.\n");
  EXPECT_TRUE((co_await put(backend, file, context)).has_value());
  std::string streamed;
  Question question;
  question.text = "At how many revolutions does the rotor idle?";
  question.store = "default";
  const TextSink sink = [&streamed](std::string_view delta) { streamed += delta; };
  auto asking = backend.ask(std::move(question), sink, context);
  auto answer = co_await std::move(asking);
  EXPECT_TRUE(answer.has_value()) << answer.error().message;
  if (answer.has_error()) co_return false;
  EXPECT_THAT(answer->text, HasSubstr("412"));
  EXPECT_EQ(streamed, answer->text);
  EXPECT_EQ(answer->model, rag::kExtractiveModel);
  EXPECT_FALSE(answer->citations.empty());
  if (answer->citations.empty()) co_return false;
  EXPECT_EQ(answer->citations[0].filename, "kestrel.md");
  EXPECT_EQ(answer->citations[0].heading_path, "Kestrel");
  EXPECT_TRUE(answer->citations[0].verified);
  EXPECT_FALSE(context.timings().snapshot().empty());
  co_return true;
}

TEST_P(LifeOfADocument, AsksWithCitations) {
  EXPECT_TRUE(with_backend<bool>(ask_it));
}

Task<bool> bad_files(BackendContract& test, Backend& backend, RequestContext& context) {
  auto& self = static_cast<LifeOfADocument&>(test);
  auto empty = co_await put(backend, self.write("empty.txt", ""), context);
  EXPECT_TRUE(empty.has_error());
  auto binary = co_await put(backend, self.write("binary.txt", std::string("\x00\x01\x02\xff", 4)), context);
  EXPECT_TRUE(binary.has_error());
  auto gone = co_await put(backend, self.root_ / "docs" / "gone.txt", context);
  EXPECT_TRUE(gone.has_error());
  EXPECT_THAT(gone.error().message, HasSubstr("cannot be read"));
  auto listing = backend.list_documents("default", "", context);
  EXPECT_TRUE((co_await std::move(listing)).value().empty());
  co_return true;
}

TEST_P(LifeOfADocument, BadFilesLeaveNothing) {
  EXPECT_TRUE(with_backend<bool>(bad_files));
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "data" / "files")) {
    EXPECT_FALSE(entry.is_regular_file()) << entry.path();
  }
}

Task<bool> unknown_store(BackendContract&, Backend& backend, RequestContext& context) {
  Question question;
  question.text = "x";
  question.store = "nowhere";
  auto asking = backend.ask(std::move(question), {}, context);
  auto answer = co_await std::move(asking);
  EXPECT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::not_found);
  EXPECT_THAT(answer.error().message, HasSubstr("\"nowhere\""));
  co_return true;
}

TEST_P(LifeOfADocument, AnUnknownStoreIsNamed) {
  EXPECT_TRUE(with_backend<bool>(unknown_store));
}

std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::direct ? "direct" : "remote";
}

INSTANTIATE_TEST_SUITE_P(All, BackendContract, ::testing::Values(Kind::direct, Kind::remote), kind_name);
INSTANTIATE_TEST_SUITE_P(All, LifeOfADocument, ::testing::Values(Kind::direct, Kind::remote), kind_name);

}  // namespace
}  // namespace ragtime::server
