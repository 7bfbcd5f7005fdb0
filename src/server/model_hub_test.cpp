#include "server/model_hub.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/thread_pool.h"
#include "encoder/test_model.h"
#include "encoder/text_encoder.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

using encoder::TestModel;
using encoder::write_file;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// tests/support/fake_hub.py as a child process, which ends when its standard input closes.
class FakeHub {
 public:
  explicit FakeHub(const fs::path& root) {
    int input[2];
    int output[2];
    if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) std::abort();
    const std::string script = RAGTIME_SOURCE_DIR "/tests/support/fake_hub.py";
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(input[0], 0);
      ::dup2(output[1], 1);
      ::execlp("python3", "python3", script.c_str(), root.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    std::FILE* lines = ::fdopen(output[0], "r");
    if (std::fscanf(lines, "%d", &port_) != 1) port_ = 0;
    std::fclose(lines);
  }
  ~FakeHub() {
    ::close(input_);
    ::waitpid(process_, nullptr, 0);
  }

  bool running() const { return port_ != 0; }
  std::string url(const std::string& mode) const { return "http://127.0.0.1:" + std::to_string(port_) + "/" + mode; }

 private:
  pid_t process_ = 0;
  int input_ = -1;
  int port_ = 0;
};

class ModelHubTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(base_);
    fs::create_directories(base_);
  }
  void TearDown() override { fs::remove_all(base_); }

  Result<ModelSummary> add_directory(const fs::path& source) { return add_model_directory(source, models_); }

  bool nothing_added() const { return !fs::exists(models_) || !fs::exists(models_ / "tiny"); }

  fs::path base_ = fs::path(testing::TempDir()) / ("model_hub_test." + std::to_string(::getpid()));
  fs::path models_ = base_ / "models";
};

TEST_F(ModelHubTest, AddsADirectory) {
  const fs::path source = base_ / "tiny";
  TestModel(1).write(source);
  write_file(source / "pytorch_model.bin", "not needed");
  write_file(source / "onnx" / "model.safetensors", "not needed");
  const auto added = add_directory(source);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->name, "tiny");
  EXPECT_EQ(added->directory, models_ / "tiny");
  EXPECT_EQ(added->dimensions, 24u);
  EXPECT_EQ(added->tokens_max, 160u);
  EXPECT_GT(added->bytes, fs::file_size(source / "model.safetensors"));
  async::ThreadPool pool({.threads = 1});
  EXPECT_TRUE(encoder::open_embedder(models_ / "tiny", "tiny", pool));
  EXPECT_TRUE(fs::exists(models_ / "tiny" / "1_Pooling" / "config.json"));
  EXPECT_FALSE(fs::exists(models_ / "tiny" / "pytorch_model.bin"));
  EXPECT_FALSE(fs::exists(models_ / "tiny" / "onnx"));
  EXPECT_FALSE(fs::exists(models_ / ".partial-tiny"));
}

TEST_F(ModelHubTest, NamesADirectoryWithTrailingSlash) {
  TestModel(1).write(base_ / "tiny");
  EXPECT_EQ(add_directory(base_ / "tiny" / "").value().name, "tiny");
}

TEST_F(ModelHubTest, NamesASnapshotOfACacheAfterItsModel) {
  const fs::path blobs = base_ / "blobs";
  const fs::path snapshot = base_ / "models--acme--small-v2" / "snapshots" / "0123abcd";
  TestModel(1).write(blobs);
  fs::create_directories(snapshot.parent_path());
  fs::create_directories(snapshot / "1_Pooling");
  for (const char* file : {"config.json", "model.safetensors", "vocab.txt", "modules.json", "1_Pooling/config.json"}) {
    fs::create_symlink(blobs / file, snapshot / file);
  }
  const auto added = add_directory(snapshot);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->name, "small-v2");
  EXPECT_FALSE(fs::is_symlink(models_ / "small-v2" / "model.safetensors"));
}

TEST_F(ModelHubTest, RefusesADirectoryThatDoesNotLoad) {
  EXPECT_THAT(add_directory(base_ / "none").error().message, HasSubstr("none/config.json: No such file"));
  TestModel(1).write(base_ / "tiny");
  fs::resize_file(base_ / "tiny" / "model.safetensors", 100);
  EXPECT_THAT(add_directory(base_ / "tiny").error().message, HasSubstr("model.safetensors: truncated"));
  EXPECT_TRUE(nothing_added());
}

TEST_F(ModelHubTest, ATakenNameIsAConflict) {
  TestModel(1).write(base_ / "tiny");
  ASSERT_TRUE(add_directory(base_ / "tiny"));
  const auto again = add_directory(base_ / "tiny");
  ASSERT_TRUE(again.has_error());
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
}

class HubDownloadTest : public ModelHubTest {
 protected:
  void SetUp() override {
    ModelHubTest::SetUp();
    TestModel(2).write(base_ / "hub" / "acme" / "tiny");
    write_file(base_ / "hub" / "acme" / "tiny" / "README.md", "not needed");
    hub_.emplace(base_ / "hub");
    if (!hub_->running()) GTEST_SKIP() << "the fake hub needs python3";
  }

  Result<ModelSummary> add(const std::string& mode, const std::string& name = "acme/tiny") {
    HubDownload download;
    download.name = name;
    download.models_directory = models_;
    download.hub_url = hub_->url(mode);
    download.retry_wait = std::chrono::milliseconds(1);
    download.progress = [this](std::uint64_t done, std::uint64_t total, std::string_view file) {
      done_ = done;
      total_ = total;
      files_.emplace(file);
    };
    return async::sync_wait(add_model_from_hub(std::move(download), client_, context_));
  }

  Error add_error(const std::string& mode, const std::string& name = "acme/tiny") {
    const auto added = add(mode, name);
    EXPECT_TRUE(added.has_error());
    return added.has_error() ? added.error() : Error{};
  }

  std::string log(const std::string& mode) {
    http::ClientRequest request;
    request.url = hub_->url(mode) + "/log";
    return async::sync_wait(client_.send(std::move(request), context_)).value().body;
  }

  std::string weights() const { return read(base_ / "hub" / "acme" / "tiny" / "model.safetensors"); }
  std::string added_weights() const { return read(models_ / "tiny" / "model.safetensors"); }
  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::optional<FakeHub> hub_;
  http::Client client_;
  RequestContext context_{"request", "tenant", Deadline::after(std::chrono::seconds(30))};
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::set<std::string> files_;
};

TEST_F(HubDownloadTest, FetchesWhatIsNeeded) {
  const auto added = add("plain");
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->name, "tiny");
  EXPECT_EQ(added->dimensions, 24u);
  EXPECT_EQ(added_weights(), weights());
  EXPECT_EQ(done_, total_);
  EXPECT_EQ(total_, added->bytes);
  EXPECT_THAT(files_, testing::Contains("1_Pooling/config.json"));
  EXPECT_THAT(log("plain"), Not(HasSubstr("README")));
  EXPECT_FALSE(fs::exists(models_ / ".partial-tiny"));
}

TEST_F(HubDownloadTest, ContinuesACutDownload) {
  const auto added = add("cut");
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added_weights(), weights());
  EXPECT_THAT(log("cut"), HasSubstr("model.safetensors bytes=" + std::to_string(weights().size() / 2) + "-"));
}

TEST_F(HubDownloadTest, BeginsAnewWhereTheServerKnowsNoRanges) {
  const auto added = add("no-ranges");
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added_weights(), weights());
}

TEST_F(HubDownloadTest, TheNextCallContinues) {
  EXPECT_EQ(add_error("cut-always").code, ErrorCode::unavailable);
  EXPECT_TRUE(nothing_added());
  const auto size = fs::file_size(models_ / ".partial-tiny" / "model.safetensors.part");
  EXPECT_GT(size, weights().size() / 2);
  ASSERT_TRUE(add("plain"));
  EXPECT_EQ(added_weights(), weights());
  EXPECT_THAT(log("plain"), HasSubstr("model.safetensors bytes=" + std::to_string(size) + "-"));
}

TEST_F(HubDownloadTest, AStalePartialFileDoesNotSurvive) {
  write_file(models_ / ".partial-tiny" / "model.safetensors.part", "of another revision");
  write_file(models_ / ".partial-tiny" / "vocab.txt.part", "of another revision");
  const auto added = add("plain");
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added_weights(), weights());
}

TEST_F(HubDownloadTest, AWrongChecksumIsNotBelieved) {
  const Error error = add_error("wrong-sum");
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_THAT(error.message, HasSubstr("model.safetensors of acme/tiny has another checksum"));
  EXPECT_TRUE(nothing_added());
}

TEST_F(HubDownloadTest, HeadersServeWhereTheListIsSilent) {
  const auto added = add("bare");
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(total_, 0u);
  EXPECT_EQ(added_weights(), weights());
}

TEST_F(HubDownloadTest, ABusyHubIsAskedAgain) {
  EXPECT_EQ(add_error("busy").code, ErrorCode::unavailable);  // The list itself is asked for once.
  const auto added = add("busy");
  ASSERT_TRUE(added) << added.error().message;
}

TEST_F(HubDownloadTest, RefusalsSayWhatToDo) {
  const Error unknown = add_error("plain", "acme/none");
  EXPECT_EQ(unknown.code, ErrorCode::not_found);
  EXPECT_THAT(unknown.message, HasSubstr("the hub has no model acme/none"));
  const Error gated = add_error("gated");
  EXPECT_EQ(gated.code, ErrorCode::permission_denied);
  EXPECT_THAT(gated.message, AllOf(HasSubstr("acme/tiny"), HasSubstr("add the directory")));
  const Error torch = add_error("torch");
  EXPECT_EQ(torch.code, ErrorCode::unsupported);
  EXPECT_THAT(torch.message, HasSubstr("acme/tiny has no model.safetensors"));
  const Error garbage = add_error("garbage");
  EXPECT_EQ(garbage.code, ErrorCode::corrupt);
  EXPECT_TRUE(nothing_added());
}

TEST_F(HubDownloadTest, AHubCannotWriteOutsideTheModel) {
  const Error error = add_error("evil");
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_THAT(error.message, HasSubstr("../../evil"));
  EXPECT_TRUE(nothing_added());
}

TEST_F(HubDownloadTest, AModelThatDoesNotLoadLeavesNothing) {
  write_file(base_ / "hub" / "acme" / "tiny" / "config.json", R"({"model_type":"gpt2"})");
  const Error error = add_error("plain");
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_THAT(error.message, HasSubstr("gpt2"));
  EXPECT_TRUE(nothing_added());
  EXPECT_FALSE(fs::exists(models_ / ".partial-tiny"));
}

TEST_F(HubDownloadTest, StrangeNamesAreRefusedWithoutAsking) {
  for (const char* name : {"", "/", "a/", "/a", "a/b/c", "../a", "a/..", "a/.b", "a b", "a?b", "a/b#c", "a%2f"}) {
    EXPECT_EQ(add_error("plain", name).code, ErrorCode::invalid_argument) << name;
  }
  EXPECT_EQ(log("plain"), "");
}

TEST_F(HubDownloadTest, ATakenNameIsAConflictBeforeAnyDownload) {
  ASSERT_TRUE(add("plain"));
  EXPECT_EQ(add_error("cut").code, ErrorCode::conflict);
  EXPECT_EQ(log("cut"), "");
}

TEST_F(HubDownloadTest, ACancelledDownloadStops) {
  context_.cancel();
  EXPECT_EQ(add_error("plain").code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace ragtime::server
