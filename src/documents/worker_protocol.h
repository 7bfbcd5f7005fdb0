// The conversation between a parser and its worker: frames of a 4-byte length and a body, numbers little-endian.
//
// The worker first sends kWorkerGreeting in a frame. The parser sends WorkerLimits once, then ParseRequests, each
// answered by one reply: a Document or an Error. Nothing received is believed: lengths, enumerators and the
// document's invariants are checked.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "documents/format.h"
#include "text/document.h"

namespace ragtime::documents {

inline constexpr std::string_view kWorkerGreeting = "ragtime-parse-worker 1";
inline constexpr std::size_t kFrameHeaderBytes = 4;
inline constexpr std::size_t kRequestBytesMax = 64u << 10;

// How a worker without memory ends.
inline constexpr int kExitOutOfMemory = 71;

struct WorkerLimits {
  std::uint64_t memory_bytes = 0;  // Address space beyond what the worker has at its start.
  std::uint32_t cpu_seconds = 0;   // Per document.
};

struct ParseRequest {
  Format format = Format::plain_text;
  std::string path;
  std::string filename;
  std::uint64_t text_bytes_max = 0;
};

// The most that a reply with this much text can take.
std::size_t reply_bytes_max(std::size_t text_bytes_max);

std::string frame(std::string_view body);
std::uint32_t body_bytes(std::string_view header);

std::string encode(const WorkerLimits& limits);
std::string encode(const ParseRequest& request);
std::string encode(const Result<text::Document>& reply);

// Errors of all: corrupt.
Result<WorkerLimits> decode_limits(std::string_view body);
Result<ParseRequest> decode_request(std::string_view body);

// What the worker answered, error or document. Errors beside the worker's own: internal when the body makes no sense.
Result<text::Document> decode_reply(std::string_view body);

}  // namespace ragtime::documents
