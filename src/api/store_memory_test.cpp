#include "api/store_memory.h"

#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

TEST(StoreMemory, AnswersForTheTenantThatFoundIt) {
  StoreMemory memory;
  storage::VectorStoreRecord store;
  store.id = "vs_1";
  memory.remember("a", "handbook", store);
  EXPECT_EQ(memory.recall("a", "handbook")->id, "vs_1");
  EXPECT_FALSE(memory.recall("b", "handbook"));
  EXPECT_FALSE(memory.recall("a", "vs_1"));
  EXPECT_FALSE(memory.recall("", "ahandbook")) << "tenant and name do not run together";
  memory.forget("a", "handbook");
  EXPECT_FALSE(memory.recall("a", "handbook"));
}

TEST(StoreMemory, IsBound) {
  StoreMemory memory;
  for (std::size_t i = 0; i <= StoreMemory::kEntriesMax; ++i) memory.remember("a", std::to_string(i), {});
  EXPECT_FALSE(memory.recall("a", "0"));
  EXPECT_TRUE(memory.recall("a", std::to_string(StoreMemory::kEntriesMax)));
}

TEST(StoreMemory, OnlyFailuresOfTheDatabaseCount) {
  EXPECT_TRUE(is_database_failure(make_error(ErrorCode::unavailable, "busy")));
  EXPECT_TRUE(is_database_failure(make_error(ErrorCode::corrupt, "damaged")));
  EXPECT_FALSE(is_database_failure(make_error(ErrorCode::not_found, "no such store")));
  EXPECT_FALSE(is_database_failure(make_error(ErrorCode::cancelled, "gone")));
}

}  // namespace
}  // namespace ragtime::api
