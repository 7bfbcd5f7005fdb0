#include "server/ingest_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/captured_terminal_for_test.h"

namespace ragtime::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

IngestSummary example() {
  IngestSummary out;
  out.store = "default";
  out.added = 12;
  out.unchanged = 3;
  out.chunks = 340;
  out.bytes = 2'000'000;
  out.elapsed = std::chrono::seconds(4);
  out.failed = {{"/d/secret.pdf", "the file is encrypted"}};
  out.skipped = {{"/d/a.bin", SkipReason::unsupported_type},
                 {"/d/b.bin", SkipReason::unsupported_type},
                 {"/d/.c", SkipReason::hidden}};
  out.missing = {"/d/gone.md"};
  return out;
}

TEST(IngestSummary, EveryFailureByNameAndTheCounts) {
  CapturedTerminal terminal;
  print_summary(example(), *terminal);
  const std::string text = terminal.text();
  EXPECT_THAT(text, HasSubstr("failed /d/secret.pdf: the file is encrypted\n"));
  EXPECT_THAT(text, HasSubstr("added      12\n"));
  EXPECT_THAT(text, HasSubstr("skipped     3  1 hidden, 2 type not supported\n"));
  EXPECT_THAT(text, HasSubstr("340 chunks in 4.0 s (85 chunks/s, 500 kB/s) into store \"default\"\n"));
  EXPECT_THAT(text, HasSubstr("1 document in the store no longer exists on disk; --prune removes it:\n  /d/gone.md\n"));
  EXPECT_THAT(text, Not(HasSubstr("replaced")));
}

TEST(IngestSummary, NothingAtAll) {
  CapturedTerminal terminal;
  print_summary(IngestSummary(), *terminal);
  EXPECT_THAT(terminal.text(), HasSubstr("none"));
}

TEST(IngestSummary, JsonHasEverything) {
  const std::string json = summary_json(example());
  EXPECT_THAT(json, HasSubstr("\"added\": 12"));
  EXPECT_THAT(json, HasSubstr("\"reason\": \"the file is encrypted\""));
  EXPECT_THAT(json, HasSubstr("\"seconds\": 4.0"));
}

}  // namespace
}  // namespace ragtime::server
