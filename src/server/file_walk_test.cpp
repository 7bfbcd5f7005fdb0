#include "server/file_walk.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FileWalk : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / make_id("walk-");
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text = "x") {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }

  WalkResult walk(WalkOptions options = {}) {
    options.wanted = [](std::string_view name) { return name.ends_with(".txt") || name.ends_with(".md"); };
    auto result = walk_files({root_.string()}, options);
    EXPECT_TRUE(result.has_value()) << (result.has_error() ? result.error().message : "");
    return result.has_value() ? *result : WalkResult();
  }

  std::vector<std::string> names(const WalkResult& result) {
    std::vector<std::string> out;
    for (const auto& file : result.files) out.push_back(file.path.lexically_relative(root_).generic_string());
    return out;
  }

  std::vector<std::string> skipped(const WalkResult& result) {
    std::vector<std::string> out;
    for (const auto& file : result.skipped) {
      out.push_back(file.path.lexically_relative(root_).generic_string() + ": " + std::string(describe(file.reason)));
    }
    return out;
  }

  fs::path root_;
};

TEST_F(FileWalk, TakesSupportedFilesAndSaysWhyNotTheOthers) {
  write("b.txt");
  write("a/c.md", "12345");
  write("x.bin");
  write(".hidden.txt");
  write(".git/config.txt");
  const auto result = walk();
  EXPECT_THAT(names(result), ElementsAre("a/c.md", "b.txt"));
  EXPECT_EQ(result.files[0].bytes, 5u);
  EXPECT_THAT(skipped(result),
              UnorderedElementsAre("x.bin: type not supported", ".hidden.txt: hidden", ".git: hidden"));
  EXPECT_THAT(result.directories, ElementsAre(root_));
}

TEST_F(FileWalk, HonoursNestedIgnoreFiles) {
  write(".gitignore", "*.md\nbuild/\n/top.txt\n");
  write("sub/.gitignore", "!keep.md\nlocal.txt\n");
  write("sub/.ragtimeignore", "secret*\n");
  for (const char* name : {"a.md", "top.txt", "build/x.txt", "sub/keep.md", "sub/top.txt", "sub/local.txt",
                           "sub/secret.txt", "sub/deep/keep.md", "other/local.txt"}) {
    write(name);
  }
  EXPECT_THAT(names(walk()), ElementsAre("other/local.txt", "sub/deep/keep.md", "sub/keep.md", "sub/top.txt"));
}

TEST_F(FileWalk, HonoursTheRepositoryAboveTheGivenDirectory) {
  write(".git/HEAD");
  write(".gitignore", "/docs/draft.txt\n*.md\n");
  write("docs/draft.txt");
  write("docs/a.md");
  write("docs/b.txt");
  WalkOptions options;
  auto result = walk_files({(root_ / "docs").string()}, options);
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(names(*result), ElementsAre("docs/b.txt"));
}

TEST_F(FileWalk, ExcludesOfTheCommandLine) {
  write("a.txt");
  write("drafts/b.txt");
  write("c.md");
  EXPECT_THAT(names(walk({.excludes = {"drafts/", "*.md"}})), ElementsAre("a.txt"));
}

TEST_F(FileWalk, LinksToDirectoriesAreNotEntered) {
  write("a/x.txt");
  fs::create_directory_symlink(root_, root_ / "a/loop");
  fs::create_symlink(root_ / "a/x.txt", root_ / "link.txt");
  fs::create_symlink(root_ / "gone.txt", root_ / "broken.txt");
  const auto result = walk();
  EXPECT_THAT(names(result), ElementsAre("a/x.txt", "link.txt"));
  EXPECT_THAT(skipped(result), ElementsAre("a/loop: link to a directory", "broken.txt: not readable"));
}

TEST_F(FileWalk, NamedFilesAreAlwaysTaken) {
  write(".odd.bin");
  auto result = walk_files({(root_ / ".odd.bin").string(), (root_ / "./.odd.bin").string()}, {});
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(names(*result), ElementsAre(".odd.bin"));
  EXPECT_THAT(result->directories, IsEmpty());
}

TEST_F(FileWalk, AMissingPathIsAnError) {
  auto result = walk_files({(root_ / "nope").string()}, {});
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace ragtime::server
