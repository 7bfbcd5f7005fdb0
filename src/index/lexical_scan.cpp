#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "index/lexical_search.h"

namespace ragtime::index {
namespace {

// The first window is small, so that there is a k-th best score soon; the next ones double.
constexpr std::uint32_t kFirstWindow = 256;
constexpr std::uint32_t kWindow = 4096;
// Candidates are taken from so many ordinals at a time: the floor rises in between.
constexpr std::uint32_t kStride = 512;
// By how much, relatively, a bound of the sum of so many scores must be more than it is computed: bounds come from
// another mean length and another order of operations.
float rounding(std::size_t terms) {
  return static_cast<float>(terms + 16) * std::numeric_limits<float>::epsilon();
}

// One posting list, read from the beginning to the end.
class Cursor {
 public:
  Cursor(const PostingsKernels& kernels, const LexicalPart& part, TermId term, float weight, const LengthNorm& norm)
      : kernels_(kernels), list_(part.segment->postings(term)) {
    by_ = {.frequencies = part.segment->frequencies().data(),
           .lengths = part.segment->lengths().data(),
           .weight = weight,
           .norm_base = norm.base,
           .norm_slope = norm.slope};
    const float drift = std::max(1.0f, norm.average_length / part.segment->average_length());
    bound_factor_ = weight * drift;
  }

  // An upper bound of scores in [begin, end), which ascend from call to call; 0 when nothing is there.
  float bound(std::uint32_t begin, std::uint32_t end) {
    skip_to(begin);
    if (block_ == list_.blocks) return 0;
    if (list_.lasts == nullptr) return bound_factor_ * list_.saturation;
    float largest = 0;
    for (std::size_t block = block_; block < list_.blocks; ++block) {
      if (block > block_ && list_.lasts[block - 1] + 1 >= end) break;
      largest = std::max(largest, list_.saturations[block]);
    }
    return bound_factor_ * largest;
  }

  // Adds the scores of all chunks in [begin, end) to the window, which begins at `begin`.
  void accumulate(std::uint32_t begin, std::uint32_t end, float* window) {
    for (skip_to(begin); block_ < list_.blocks; ++block_) {
      decode();
      score_all();
      const std::size_t from = kernels_.count_below(decoded_.ordinals, begin);
      const std::size_t to = std::min(kernels_.count_below(decoded_.ordinals, end), decoded_.size);
      if (from < to) kernels_.accumulate(decoded_.ordinals + from, scores_ + from, to - from, begin, window);
      if (to < decoded_.size) return;
    }
  }

  // The score of one chunk, 0 when it is not in the list. Ordinals ascend from call to call.
  float score(std::uint32_t chunk) {
    skip_to(chunk);
    if (block_ == list_.blocks) return 0;
    decode();
    const std::size_t at = kernels_.count_below(decoded_.ordinals, chunk);
    if (at >= decoded_.size || decoded_.ordinals[at] != chunk) return 0;
    const float norm = by_.norm_base + by_.norm_slope * static_cast<float>(by_.lengths[chunk]);
    return term_score(by_.weight, by_.frequencies[decoded_.codes[at]], norm);
  }

 private:
  void skip_to(std::uint32_t ordinal) {
    if (list_.lasts == nullptr) return;
    while (block_ < list_.blocks && list_.lasts[block_] < ordinal) ++block_;
  }

  void decode() {
    if (decoded_block_ == block_) return;
    decode_block(kernels_, list_, block_, decoded_);
    decoded_block_ = block_;
    is_scored_ = false;
  }

  void score_all() {
    if (is_scored_) return;
    kernels_.score(decoded_.ordinals, decoded_.codes, decoded_.size, by_, scores_);
    is_scored_ = true;
  }

  const PostingsKernels& kernels_;
  PostingList list_;
  PostingScore by_;
  float bound_factor_ = 0;
  std::size_t block_ = 0;
  std::size_t decoded_block_ = std::numeric_limits<std::size_t>::max();
  bool is_scored_ = false;
  PostingBlock decoded_;
  alignas(64) float scores_[kPostingsBlock];
};

class Scan {
 public:
  Scan(const LexicalPart& part, const PartQuery& query, const Selection* selection, TopK& best)
      : part_(part), query_(query), selection_(selection), best_(best), next_(query.words.size(), 0) {
    cursors_.reserve(query.terms.size());
    for (const WeightedTerm& term : query.terms) {
      const auto id = part.segment->terms().find(term.text);
      if (id) cursors_.emplace_back(kernels_, part, *id, term.weight, query.norm);
    }
    rounding_ = rounding(cursors_.size() + query.words.size());
    rest_.resize(cursors_.size() + 1, 0);
  }

  void run() {
    if (cursors_.empty() && query_.words.empty()) return;
    const auto size = static_cast<std::uint32_t>(part_.segment->size());
    std::uint32_t length = kFirstWindow;
    for (std::uint32_t begin = 0; begin < size; begin += length, length = std::min(2 * length, kWindow)) {
      length = std::min(length, size - begin);
      scan_window(begin, begin + length);
    }
  }

 private:
  void scan_window(std::uint32_t begin, std::uint32_t end) {
    const float floor = floor_from(begin);
    for (std::size_t i = cursors_.size(); i-- > 0;)
      rest_[i] = rest_[i + 1] + cursors_[i].bound(begin, end) * (1 + rounding_);
    if (rest_[0] + words_bound(end) < floor) return;
    std::size_t essential = cursors_.size();
    while (essential > 0 && rest_[essential - 1] < floor) --essential;
    std::fill_n(window_.begin(), end - begin, 0.0f);
    add_words(begin, end);
    for (std::size_t i = 0; i < essential; ++i) cursors_[i].accumulate(begin, end, window_.data());
    for (std::uint32_t at = begin; at < end; at += std::min(kStride, end - at)) {
      finish(begin, at, std::min(at + kStride, end), essential);
    }
  }

  // Completes the scores of chunks in [at, end) and offers them.
  void finish(std::uint32_t window, std::uint32_t at, std::uint32_t end, std::size_t essential) {
    const float floor = floor_from(at);
    float* scores = window_.data() + (at - window);
    std::size_t count = kernels_.collect(scores, end - at, needed(floor, essential), candidates_.data());
    count = keep_living(at, count);
    for (std::size_t i = essential; i < cursors_.size(); ++i) count = complete(i, at, scores, count, floor);
    offer(at, scores, count);
  }

  // Of the scores of words before `end`, from the last window on.
  float words_bound(std::uint32_t end) const {
    float sum = 0;
    for (std::size_t w = 0; w < next_.size(); ++w) {
      const WordPostings& word = query_.words[w];
      if (next_[w] < word.chunks.size() && word.chunks[next_[w]] < end) sum += word.weight;
    }
    return sum * (1 + rounding_);
  }

  // They are few and weigh much, so that every one brings in its chunks.
  void add_words(std::uint32_t begin, std::uint32_t end) {
    const auto lengths = part_.segment->lengths();
    for (std::size_t w = 0; w < next_.size(); ++w) {
      const WordPostings& word = query_.words[w];
      for (std::size_t& i = next_[w]; i < word.chunks.size() && word.chunks[i] < end; ++i) {
        const Ordinal chunk = word.chunks[i];
        if (chunk < begin) continue;
        const float norm = query_.norm.base + query_.norm.slope * static_cast<float>(lengths[chunk]);
        window_[chunk - begin] += term_score(word.weight, word.frequencies[i], norm);
      }
    }
  }

  // What a chunk from `begin` on must score at least to be among the best; more than 0, which is no match.
  float floor_from(std::uint32_t begin) const {
    const Hit* worst = best_.worst();
    if (worst == nullptr) return std::numeric_limits<float>::min();
    // A tie goes to the lower id.
    if (worst->id < part_.segment->ids()[begin]) {
      return std::nextafter(worst->score, std::numeric_limits<float>::infinity());
    }
    return worst->score;
  }

  // What the lists before `i` must have given a chunk that reaches the floor.
  float needed(float floor, std::size_t i) const { return floor * (1 - rounding_) - rest_[i]; }

  std::size_t keep_living(std::uint32_t begin, std::size_t count) {
    if (part_.removals == nullptr) return count;
    const auto last = std::remove_if(candidates_.begin(), candidates_.begin() + count,
                                     [&](std::uint32_t at) { return part_.removals->contains(begin + at); });
    return static_cast<std::size_t>(last - candidates_.begin());
  }

  // Adds the scores of list `i` to the candidates, and drops those that cannot reach the floor any more.
  std::size_t complete(std::size_t i, std::uint32_t begin, float* scores, std::size_t count, float floor) {
    const float partial = needed(floor, i + 1);
    std::size_t kept = 0;
    for (std::size_t c = 0; c < count; ++c) {
      const std::uint32_t at = candidates_[c];
      scores[at] += cursors_[i].score(begin + at);
      candidates_[kept] = at;
      kept += scores[at] >= partial;
    }
    return kept;
  }

  void offer(std::uint32_t begin, const float* scores, std::size_t count) {
    const auto ids = part_.segment->ids().subspan(begin);
    for (std::size_t c = 0; c < count; ++c) {
      const Hit hit{ids[candidates_[c]], scores[candidates_[c]]};
      if (!best_.would_keep(hit)) continue;
      if (selection_ == nullptr || selection_->contains(hit.id)) best_.offer(hit);
    }
  }

  const PostingsKernels& kernels_ = best_postings_kernels();
  const LexicalPart& part_;
  const PartQuery& query_;
  const Selection* selection_;
  TopK& best_;
  std::vector<std::size_t> next_;  // By word: its first chunk not before the window.
  std::vector<Cursor> cursors_;
  float rounding_ = 0;
  std::vector<float> rest_;  // rest_[i]: bound of the lists from i on, in this window.
  alignas(64) std::array<float, kWindow> window_;
  std::array<std::uint32_t, kStride + 16> candidates_;  // Positions in the stride.
};

}  // namespace

void scan_postings(const LexicalPart& part, const PartQuery& query, const Selection* selection, TopK& best) {
  Scan(part, query, selection, best).run();
}

}  // namespace ragtime::index
