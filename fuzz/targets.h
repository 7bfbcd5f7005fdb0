// The fuzzers' entry points: each reads bytes that an attacker may have written, and must neither crash nor read
// outside.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ragtime::fuzz {

int safetensors(const std::uint8_t* data, std::size_t size);
int tokenizer_json(const std::uint8_t* data, std::size_t size);
int vocabulary(const std::uint8_t* data, std::size_t size);    // SentencePiece models and charsmaps.
int tokenisation(const std::uint8_t* data, std::size_t size);  // The first byte picks the tokenizer.
int snapshot(const std::uint8_t* data, std::size_t size);
int vector_segment(const std::uint8_t* data, std::size_t size);  // The first byte picks the kind, the rest are changes.
int lexical_index(const std::uint8_t* data, std::size_t size);   // Changes to a saved one.
// These also return 1 when it matters how the bytes are split.
int http_request(const std::uint8_t* data, std::size_t size);
int http_response(const std::uint8_t* data, std::size_t size);
int websocket(const std::uint8_t* data, std::size_t size);

}  // namespace ragtime::fuzz

// A fuzzer's own program has one entry point; the test links all of them.
#ifdef RAGTIME_FUZZ
#define RAGTIME_FUZZ_ENTRY(target)                                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    return ragtime::fuzz::target(data, size);                                         \
  }                                                                                   \
  static_assert(true)
#else
#define RAGTIME_FUZZ_ENTRY(target) static_assert(true)
#endif
