// The worker program for tests of programs that have no `parse-worker` command of their own.
#include "documents/parser.h"

int main() {
  return ragtime::documents::run_parse_worker();
}
