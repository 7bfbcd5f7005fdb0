// TopK: the best k hits of a stream, best first; equal scores by lower id. Belongs to one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "index/hit.h"

namespace ragtime::index {

class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { hits_.reserve(std::min(k, kReserved)); }

  std::size_t k() const { return k_; }
  // What a score must reach to be kept: that of the worst hit once there are k, minus infinity before.
  float floor() const {
    if (k_ == 0) return std::numeric_limits<float>::infinity();
    return hits_.size() < k_ ? -std::numeric_limits<float>::infinity() : hits_.front().score;
  }

  // Whether offer() would keep the hit now. Cheap; ask before a costly Accept.
  bool would_keep(const Hit& hit) const { return hits_.size() < k_ || (k_ > 0 && is_better(hit, hits_.front())); }

  void offer(const Hit& hit) {
    if (!would_keep(hit)) return;
    if (hits_.size() == k_) {
      std::pop_heap(hits_.begin(), hits_.end(), is_better);
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end(), is_better);
  }

  // The worst of k hits; null while there are fewer.
  const Hit* worst() const { return hits_.size() < k_ || k_ == 0 ? nullptr : &hits_.front(); }

  std::vector<Hit> take_sorted() && {
    std::sort_heap(hits_.begin(), hits_.end(), is_better);
    return std::move(hits_);
  }

 private:
  static constexpr std::size_t kReserved = 128;

  static bool is_better(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; }

  std::size_t k_;
  std::vector<Hit> hits_;  // A heap with the worst hit in front.
};

}  // namespace ragtime::index
