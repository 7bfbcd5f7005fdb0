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
// So many candidates are completed at a time: the floor rises in between.
constexpr std::size_t kBatch = 256;
// By how much, relatively, a bound of the sum of so many scores must be more than it is computed: bounds come from
// another mean length and another order of operations.
float rounding(std::size_t terms) {
  return static_cast<float>(terms + 16) * std::numeric_limits<float>::epsilon();
}

// One posting list, read from the beginning to the end: windows ascend from call to call.
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
    if (list_.lasts == nullptr) decode();
  }

  // An upper bound of scores in [begin, end); 0 when nothing is there.
  float bound(std::uint32_t begin, std::uint32_t end) {
    if (list_.marks != nullptr) return bound_factor_ * list_.saturation;
    skip_to(begin);
    if (block_ == list_.blocks) return 0;
    if (decoded_block_ == block_ && first_from(begin) >= end) return 0;
    if (list_.lasts == nullptr) return bound_factor_ * list_.saturation;
    float largest = list_.saturations[block_];
    for (std::size_t block = block_ + 1; block < list_.blocks && list_.lasts[block - 1] + 1 < end; ++block) {
      largest = std::max(largest, list_.saturations[block]);
    }
    return bound_factor_ * largest;
  }

  // Adds the scores of all chunks in [begin, end) to the window.
  void accumulate(std::uint32_t begin, std::uint32_t end, float* window) {
    if (list_.marks != nullptr) {
      return kernels_.accumulate_column(list_.marks + begin, end - begin, from(begin), window);
    }
    for (skip_to(begin); block_ < list_.blocks; ++block_) {
      decode();
      const std::size_t start = decoded_.ordinals[0] >= begin ? 0 : kernels_.count_below(decoded_.ordinals, begin);
      const std::size_t stop = last() < end ? decoded_.size : kernels_.count_below(decoded_.ordinals, end);
      if (start < stop) {
        kernels_.accumulate(decoded_.ordinals + start, decoded_.codes + start, stop - start, by_, begin, window);
      }
      if (stop < decoded_.size) return;
    }
  }

  // The marks of chunks of the window that begins there.
  void find_marks(std::uint32_t begin, const std::uint32_t* positions, std::size_t count, Mark* marks) {
    if (list_.marks != nullptr) return kernels_.take_marks(list_.marks + begin, positions, count, marks);
    for (std::size_t i = 0, next = 0; i < count; i = next) {
      const std::uint32_t wanted = begin + positions[i];
      skip_to(wanted);
      if (block_ < list_.blocks) decode();
      if (block_ == list_.blocks || last() < wanted) return void(std::fill(marks + i, marks + count, 0));
      for (next = i + 1; next < count && begin + positions[next] <= last();) ++next;
      kernels_.find_marks(decoded_.ordinals, decoded_.codes, positions + i, next - i, begin, marks + i);
    }
  }

  const PostingScore& by() const { return by_; }

 private:
  // The same for the window that begins there.
  PostingScore from(std::uint32_t begin) const {
    PostingScore by = by_;
    by.lengths += begin;
    return by;
  }

  void skip_to(std::uint32_t ordinal) {
    if (list_.lasts == nullptr) return;
    while (block_ < list_.blocks && list_.lasts[block_] < ordinal) ++block_;
  }

  void decode() {
    if (decoded_block_ == block_) return;
    decode_block(kernels_, list_, block_, decoded_);
    decoded_block_ = block_;
  }

  // Of the decoded block.
  std::uint32_t last() const { return decoded_.ordinals[decoded_.size - 1]; }
  std::uint32_t first_from(std::uint32_t ordinal) const {
    const std::size_t at = kernels_.count_below(decoded_.ordinals, ordinal);
    return at < decoded_.size ? decoded_.ordinals[at] : std::numeric_limits<std::uint32_t>::max();
  }

  const PostingsKernels& kernels_;
  PostingList list_;
  PostingScore by_;
  float bound_factor_ = 0;
  std::size_t block_ = 0;
  std::size_t decoded_block_ = std::numeric_limits<std::size_t>::max();
  PostingBlock decoded_;
};

class Scan {
 public:
  Scan(const LexicalPart& part, const PartQuery& query, const Selection* selection, TopK& best)
      : part_(part), query_(query), selection_(selection), best_(best), next_(query.words.size(), 0) {
    cursors_.reserve(query.terms.size());
    for (const WeightedTerm& term : query.terms) {
      cursors_.emplace_back(kernels_, part, term.id, term.weight, query.norm);
    }
    by_ = {.frequencies = nullptr,
           .lengths = part.segment->lengths().data(),
           .norm_base = query.norm.base,
           .norm_slope = query.norm.slope};
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
    finish(begin, end - begin, essential);
  }

  // Completes the scores of the window's chunks and offers those that reach the floor.
  void finish(std::uint32_t begin, std::uint32_t size, std::size_t essential) {
    std::size_t count = kernels_.collect(window_.data(), size, needed(floor_from(begin), essential), positions_.data());
    count = keep_living(begin, count);
    for (std::size_t i = 0; i < count; i += kBatch) {
      finish_batch(begin, positions_.data() + i, std::min(kBatch, count - i), essential);
    }
  }

  void finish_batch(std::uint32_t begin, std::uint32_t* positions, std::size_t count, std::size_t essential) {
    const float floor = floor_from(begin + positions[0]);
    const Candidates candidates{positions, scores_.data(), norms_.data()};
    PostingScore by = by_;
    by.lengths += begin;
    kernels_.load(count, by, window_.data(), candidates);
    for (std::size_t i = essential; i < cursors_.size() && count > 0; ++i) {
      cursors_[i].find_marks(begin, positions, count, marks_.data());
      count = kernels_.complete(marks_.data(), count, cursors_[i].by(), needed(floor, i + 1), candidates);
    }
    for (std::size_t c = 0; c < count; ++c) offer(begin + positions[c], scores_[c]);
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
    const auto last = std::remove_if(positions_.begin(), positions_.begin() + count,
                                     [&](std::uint32_t at) { return part_.removals->contains(begin + at); });
    return static_cast<std::size_t>(last - positions_.begin());
  }

  void offer(Ordinal chunk, float score) {
    const Hit hit{part_.segment->ids()[chunk], score};
    if (!best_.would_keep(hit)) return;
    if (selection_ == nullptr || selection_->contains(hit.id)) best_.offer(hit);
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
  PostingScore by_;          // Without a term.
  alignas(64) std::array<float, kWindow> window_;
  std::array<std::uint32_t, kWindow + 16> positions_;  // Of candidates in the window.
  // Of a batch of them.
  std::array<float, kBatch + 16> scores_;
  std::array<float, kBatch + 16> norms_;
  std::array<Mark, kBatch + 16> marks_;
};

}  // namespace

void scan_postings(const LexicalPart& part, const PartQuery& query, const Selection* selection, TopK& best) {
  Scan(part, query, selection, best).run();
}

}  // namespace ragtime::index
