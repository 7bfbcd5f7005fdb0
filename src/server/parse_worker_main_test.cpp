// The parser starts /proc/self/exe as its worker, which in tests is the test program itself.
#include <cstring>

#include <gmock/gmock.h>

#include "documents/parser.h"

int main(int argc, char** argv) {
  if (argc >= 2 && std::strcmp(argv[1], "parse-worker") == 0) return ragtime::documents::run_parse_worker();
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
