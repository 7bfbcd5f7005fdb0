#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return make_error(ErrorCode::invalid_argument, "odd", "value");
  return value / 2;
}

Result<int> quarter(int value) {
  RAGTIME_TRY(const int first, half(value));
  return half(first);
}

TEST(Result, TryReturnsTheErrorOfTheFirstFailure) {
  EXPECT_EQ(*quarter(12), 3);
  ASSERT_TRUE(quarter(6).has_error());
  EXPECT_EQ(quarter(6).error().param, "value");
  EXPECT_THROW(quarter(6).value(), std::runtime_error);
}

TEST(Result, EveryCodeHasAName) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    EXPECT_NE(name(static_cast<ErrorCode>(code)), "unknown");
  }
}

TEST(Sha256, MatchesTheStandardsExamples) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  EXPECT_EQ(hash.finish_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Id, IsPrefixedAndUnique) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(make_id("file-"));
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_EQ(ids.begin()->size(), 29u);
  EXPECT_TRUE(ids.begin()->starts_with("file-"));
}

TEST(Id, IsUniqueAcrossThreadsAndAsLongAsAsked) {
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    std::string id;
    std::thread([&id] { id = make_id(""); }).join();
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 20u);
  EXPECT_EQ(random_alphanumeric(5000).size(), 5000u) << "more than is drawn at once";
}

TEST(Deadline, NeverAndExpired) {
  EXPECT_FALSE(Deadline::never().expired());
  EXPECT_TRUE(Deadline::after(std::chrono::milliseconds(0)).expired());
  EXPECT_LE(Deadline::never().sooner(std::chrono::milliseconds(50)).remaining().count(), 50);
}

TEST(RequestContext, ChildIsCancelledWithItsParentButNotTheOtherWay) {
  RequestContext parent("req-1", "tenant", Deadline::never());
  RequestContext first(parent, Deadline::never());
  RequestContext second(parent, Deadline::after(std::chrono::milliseconds(0)));
  first.cancel();
  EXPECT_FALSE(parent.cancelled());
  EXPECT_EQ(second.check().error().code, ErrorCode::deadline_exceeded);
  parent.cancel();
  EXPECT_EQ(second.check().error().code, ErrorCode::cancelled);
}

TEST(StageTimings, SumsAStageThatRanTwice) {
  RequestContext context("req-1", "tenant", Deadline::never());
  { StageTimer timer(context, "search"); }
  context.timings().add("search", 5);
  context.timings().add("embed", 1);
  const auto stages = context.timings().snapshot();
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].name, "search");
  EXPECT_GE(stages[0].milliseconds, 5);
}

}  // namespace
}  // namespace ragtime
