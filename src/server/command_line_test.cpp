#include "server/command_line.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "server/exit_code.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "docs");
    std::ofstream(root_ / "ragtime.toml") << "[encoder]\nmodel = \"\"\n";
  }
  void TearDown() override { fs::remove_all(root_); }

  int run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ragtime");
    for (const char* extra : {"--config", "--data-dir"}) arguments.emplace_back(extra);
    arguments.insert(arguments.end() - 1, (root_ / "ragtime.toml").string());
    arguments.push_back((root_ / "data").string());
    return run_exactly(arguments);
  }

  int run_exactly(std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run_command_line(static_cast<int>(arguments.size()), argv.data());
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  }

  void write(const std::string& name, const std::string& text) { std::ofstream(root_ / "docs" / name) << text; }
  std::string docs() const { return (root_ / "docs").string(); }

  const fs::path root_ = fs::path(::testing::TempDir()) / make_id("command-line-");
  std::string out_, err_;
};

TEST_F(CommandLine, HelpIsForStrangers) {
  EXPECT_EQ(run({"--help"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("ragtime ingest ~/papers"));
  EXPECT_THAT(out_, HasSubstr("Exit codes"));
  EXPECT_THAT(out_, Not(HasSubstr("parse-worker")));
  EXPECT_EQ(run({"ingest", "--help"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("--prune"));
}

TEST_F(CommandLine, WrongUsageIsTwo) {
  EXPECT_EQ(run({}), kExitUsage);
  EXPECT_EQ(run({"frobnicate"}), kExitUsage);
  EXPECT_EQ(run({"ingest"}), kExitUsage);
  EXPECT_EQ(run({"ingest", "/nonexistent"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("/nonexistent: no such file or directory"));
  EXPECT_EQ(run({"ask", "  "}), kExitUsage);
  EXPECT_EQ(run({"search", "x", "--limit", "99"}), kExitUsage);
  EXPECT_EQ(run({"key", "create", "--name", "n", "--scope", "fly"}), kExitUsage);
  EXPECT_EQ(run({"version", "--log-level", "loud"}), kExitUsage);
}

TEST_F(CommandLine, ABrokenConfigurationIsOneLine) {
  std::ofstream(root_ / "ragtime.toml") << "[server]\nlisen = 1\n";
  EXPECT_EQ(run({"config"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("ragtime.toml:2: unknown key \"server.lisen\"; did you mean \"listen\"?\n"));
  EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1);
}

TEST_F(CommandLine, IngestAskSearchOnADirectory) {
  write("kestrel.md", "# Kestrel\n\nThe rotor idles at 412 revolutions per minute.\n");
  write("notes.bin", "x");
  EXPECT_EQ(run({"ingest", docs()}), kExitDone) << err_;
  EXPECT_THAT(out_, HasSubstr("added"));
  EXPECT_THAT(out_, HasSubstr("1 type not supported"));
  EXPECT_EQ(run({"ingest", docs()}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("unchanged"));
  EXPECT_EQ(run({"ask", "How", "fast", "does the rotor idle?"}), kExitDone) << err_;
  EXPECT_THAT(out_, HasSubstr("412"));
  EXPECT_THAT(out_, HasSubstr("[1] kestrel.md, Kestrel"));
  EXPECT_THAT(out_, HasSubstr("ragtime-extractive: "));
  EXPECT_EQ(run({"search", "rotor", "--json"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("\"filename\": \"kestrel.md\""));
  EXPECT_EQ(run({"ask", "x", "--store", "nowhere"}), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("there is no store \"nowhere\""));
}

TEST_F(CommandLine, FilesThatFailAreNamedAndTheRestGoesOn) {
  write("empty.txt", "");
  write("good.txt", "Something to read.");
  EXPECT_EQ(run({"ingest", docs()}), kExitFailed);
  EXPECT_THAT(out_, HasSubstr("failed " + docs() + "/empty.txt: "));
  EXPECT_THAT(out_, HasSubstr("added   1\n"));
}

TEST_F(CommandLine, PruneRemovesWhatIsGone) {
  write("a.txt", "alpha");
  write("b.txt", "beta");
  ASSERT_EQ(run({"ingest", docs()}), kExitDone) << err_;
  fs::remove(root_ / "docs" / "a.txt");
  EXPECT_EQ(run({"ingest", docs()}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("--prune removes it:\n  " + docs() + "/a.txt"));
  EXPECT_EQ(run({"ingest", docs(), "--prune"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("removed    1"));
  EXPECT_EQ(run({"search", "alpha"}), kExitDone);
  EXPECT_EQ(out_, "");
}

TEST_F(CommandLine, KeysAreShownOnce) {
  EXPECT_EQ(run({"key", "create", "--name", "alice", "--scope", "read,admin", "--tenant", "team"}), kExitDone);
  EXPECT_EQ(out_.substr(0, 3), "rt-");
  EXPECT_EQ(out_.size(), 44u);
  const std::string secret = out_.substr(0, 43);
  EXPECT_EQ(run({"key", "list"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("alice"));
  EXPECT_THAT(out_, HasSubstr("read,admin"));
  EXPECT_THAT(out_, Not(HasSubstr(secret)));
  const std::string id = out_.substr(out_.find("key_"), 28);
  EXPECT_EQ(run({"key", "revoke", id}), kExitDone);
  EXPECT_EQ(run({"key", "revoke", "key_unknown"}), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("ragtime key list"));
}

TEST_F(CommandLine, ConfigVersionModelsDoctor) {
  EXPECT_EQ(run({"config"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("data_dir = \"" + (root_ / "data").string() + "\""));
  EXPECT_EQ(run({"version"}), kExitDone);
  EXPECT_THAT(out_, HasSubstr("onednn"));
  EXPECT_EQ(run({"model", "list"}), kExitDone);
  EXPECT_THAT(err_, HasSubstr("ragtime model add"));
  EXPECT_EQ(run({"model", "remove", "../data"}), kExitFailed);
  run({"doctor", "--json"});
  EXPECT_THAT(out_, HasSubstr("\"name\": \"disk space\""));
}

}  // namespace
}  // namespace ragtime::server
