#include "base/processors.h"

#include <thread>

#include <gtest/gtest.h>
#include <sched.h>

namespace ragtime {
namespace {

TEST(Processors, AreThoseThatTheThreadMayUse) {
  EXPECT_GE(available_processors(), 1u);
  std::thread([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(available_processors(), 1u);
  }).join();
}

}  // namespace
}  // namespace ragtime
