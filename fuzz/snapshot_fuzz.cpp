#include <span>

#include "index/snapshot.h"
#include "targets.h"

int ragtime::fuzz::snapshot(const std::uint8_t* data, std::size_t size) {
  const auto reader = index::SnapshotReader::parse("fuzz.snapshot", std::as_bytes(std::span(data, size)));
  if (!reader) return 0;
  for (const char* name : {"a", "b", ""}) {
    const auto column = (*reader)->column<std::uint8_t>(name);
    unsigned sum = 0;
    for (std::size_t i = 0; column && i < column->size(); ++i) sum += (*column)[i];
    if (sum == 0xffffffff) return 1;
  }
  return 0;
}

RAGTIME_FUZZ_ENTRY(snapshot);
