// LexicalBuilder: chunks as term lists to a LexicalSegment. Belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "index/lexical_segment.h"

namespace ragtime::index {

class LexicalBuilder {
 public:
  explicit LexicalBuilder(LexicalOptions options) : options_(options) {}

  // A number for the term, for add().
  TermId term(std::string_view text) { return terms_.intern(text); }
  // Precondition: ids ascend.
  void add(ChunkId id, std::span<const TermId> heading, std::span<const TermId> body, std::uint64_t sequence);

  // With `keep_sequences`, the segment remembers the sequence of each chunk.
  std::shared_ptr<const LexicalSegment> finish(std::uint64_t sequence, bool keep_sequences) &&;

 private:
  LexicalOptions options_;
  TermTable terms_;
  std::vector<ChunkId> ids_;
  std::vector<std::uint64_t> sequences_;
  std::vector<std::uint64_t> ends_;      // By chunk, into tokens_.
  std::vector<std::uint32_t> headings_;  // By chunk: how many of its tokens.
  std::vector<TermId> tokens_;           // As term() numbered them.
};

}  // namespace ragtime::index
