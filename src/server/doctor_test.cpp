#include "server/doctor.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "index/snapshot.h"
#include "server/captured_terminal_for_test.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Doctor : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_);
    fs::permissions(root_, fs::perms::owner_all);
    loaded_.settings.server.data_dir = root_.string();
    loaded_.settings.server.listen = "127.0.0.1:0";
    loaded_.settings.encoder.model = "";
  }
  void TearDown() override { fs::remove_all(root_); }

  Check check(const std::string& name) {
    for (const auto& check : examine(loaded_).checks) {
      if (check.name == name) return check;
    }
    return {"absent: " + name, CheckState::broken, "", ""};
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / make_id("doctor-");
  LoadedConfiguration loaded_;
};

TEST_F(Doctor, ASoundInstallationIsOk) {
  for (const char* name : {"configuration", "data directory", "database", "embedding model", "chat model", "address"}) {
    EXPECT_EQ(check(name).state, CheckState::ok) << name << ": " << check(name).detail;
  }
}

TEST_F(Doctor, ADamagedDatabaseIsBroken) {
  std::ofstream(root_ / "ragtime.db") << std::string(8192, 'z');
  EXPECT_EQ(check("database").state, CheckState::broken);
  EXPECT_THAT(check("database").advice, HasSubstr("backup"));
  const Report report = examine(loaded_);
  EXPECT_TRUE(report.broken());
  EXPECT_THAT(report_json(report), HasSubstr("\"status\": \"broken\""));
  CapturedTerminal terminal;
  print_report(report, *terminal);
  EXPECT_THAT(terminal.text(), HasSubstr("broken   database"));
}

TEST_F(Doctor, ADamagedSnapshotIsAWarning) {
  EXPECT_EQ(check("index snapshots").detail, "none");
  const fs::path folder = root_ / "index" / "vs_1";
  fs::create_directories(folder);
  const auto writer = index::SnapshotWriter::create(folder / "lexical.snapshot").value();
  ASSERT_TRUE(writer->finish().has_value());
  EXPECT_EQ(check("index snapshots").state, CheckState::ok);
  EXPECT_THAT(check("index snapshots").detail, HasSubstr("1 files"));
  std::ofstream(folder / "vectors.snapshot") << "nothing of the kind";
  EXPECT_EQ(check("index snapshots").state, CheckState::warning);
  EXPECT_THAT(check("index snapshots").advice, HasSubstr("rebuilds it"));
}

TEST_F(Doctor, AnImpossibleDataDirectoryIsBroken) {
  loaded_.settings.server.data_dir = "/dev/null/data";
  EXPECT_EQ(check("data directory").state, CheckState::broken);
}

TEST_F(Doctor, AnOpenDataDirectoryIsAWarning) {
  fs::permissions(root_, fs::perms::others_read, fs::perm_options::add);
  EXPECT_EQ(check("data directory").state, CheckState::warning);
  EXPECT_THAT(check("data directory").advice, HasSubstr("chmod 700"));
}

TEST_F(Doctor, AModelThatIsNotThereIsBroken) {
  loaded_.settings.encoder.model = "no-such-model";
  EXPECT_EQ(check("embedding model").state, CheckState::broken);
}

TEST_F(Doctor, AnEndpointThatDoesNotAnswerIsBroken) {
  ModelSettings model;
  model.name = "chat";
  // Port 1 of the loopback address: refused at once.
  model.endpoints = {{"http://127.0.0.1:1/v1", "m", "", 1}};
  loaded_.settings.models = {model};
  EXPECT_EQ(check("chat model chat").state, CheckState::broken);
  EXPECT_THAT(check("chat model chat").detail, HasSubstr("http://127.0.0.1:1/v1: "));
}

TEST_F(Doctor, SettingsWithoutEffectAreAWarning) {
  loaded_.settings.chunking.strategy = "academic";
  EXPECT_EQ(check("configuration").state, CheckState::warning);
}

}  // namespace
}  // namespace ragtime::server
