// The one LexicalView there is: the parts of an index at one moment. Immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/lexical_index.h"
#include "index/lexical_search.h"

namespace ragtime::index {

class PartsView final : public LexicalView {
 public:
  // The base, if there is one, comes first. `sequence`: of the last change in it.
  PartsView(LexicalOptions options, std::vector<LexicalPart> parts, std::uint64_t sequence, bool has_base);

  std::vector<Hit> search(const LexicalQuery& query) const override;
  std::vector<float> scores(const std::vector<std::string>& terms, std::span<const ChunkId> ids) const override;
  std::size_t size() const override { return size_; }
  LexicalIndexReport report() const override;

  const std::vector<LexicalPart>& parts() const { return parts_; }
  std::uint64_t sequence() const { return sequence_; }
  const LexicalOptions& options() const { return options_; }
  bool has_base() const { return has_base_; }

 private:
  // By part.
  std::vector<std::vector<WeightedTerm>> weigh(const std::vector<std::string>& terms) const;
  // By part.
  std::vector<std::vector<WordPostings>> find_words(const std::vector<std::vector<std::string>>& words) const;
  float weight(std::size_t count, std::size_t frequency) const;
  LengthNorm norm() const;

  LexicalOptions options_;
  std::vector<LexicalPart> parts_;
  std::uint64_t sequence_ = 0;
  bool has_base_ = false;
  std::size_t size_ = 0;
  std::uint64_t length_sum_ = 0;
};

}  // namespace ragtime::index
