#include "index/hnsw_builder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "base/check.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kBuildBreadth = 128;
// How much farther than the new vector a chosen neighbour may be from a candidate and still cover it, as squares of
// distances of unit vectors: links that are a little redundant shorten walks.
constexpr float kCover = 1.1f;
// Room for links while building, against their end size.
constexpr double kLinkRoom = 1.5;
constexpr std::size_t kEntries = 4;  // Of the best on one level, where the next is entered.
constexpr std::size_t kLevelsMost = 16;
constexpr std::uint32_t kNone = 0xffffffff;
constexpr std::size_t kPrefetched = 4;

std::size_t hash_bytes(const std::uint8_t* bytes, std::size_t size) {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(bytes), size});
}

}  // namespace

HnswBuilder::HnswBuilder(const CodeFrame& frame, HnswNodes& nodes, std::uint64_t seed)
    : frame_(frame), nodes_(nodes), kernels_(best_vector_kernels()), random_(seed) {
  const auto room = static_cast<std::size_t>(static_cast<double>(HnswNodes::kLinksMost) * kLinkRoom);
  stride_ = room + 1;
  expanded_.resize(room);
  expanded_codes_ = AlignedColumn<std::int8_t>(room * frame.coordinates());
  rotated_.resize(frame.coordinates());
}

void HnswBuilder::take_over(const HnswNodes& old, std::span<const ChunkId> old_ids, std::span<const ChunkId> ids) {
  old_ = &old;
  old_of_.assign(ids.size(), kNone);
  new_of_.assign(old_ids.size(), kNone);
  for (std::uint32_t i = 0, j = 0; i < ids.size() && j < old_ids.size();) {
    if (ids[i] == old_ids[j]) {
      old_of_[i] = j;
      new_of_[j] = i;
    }
    const bool is_behind = ids[i] <= old_ids[j];
    if (ids[i] >= old_ids[j]) ++j;
    if (is_behind) ++i;
  }
}

bool HnswBuilder::build(const std::stop_token& stop) {
  find_twins();
  if (order_.empty()) return true;
  order_nodes();
  assign_levels();
  links_.assign(nodes_.size() * stride_, 0);
  for (std::size_t i = 0; i < kept_ && !stop.stop_requested(); ++i) carry_links(order_[i]);
  for (; inserted_ < order_.size() && !stop.stop_requested(); ++inserted_) insert(order_[inserted_], level_[inserted_]);
  if (stop.stop_requested()) return false;
  finish_links();
  reach_all();
  return true;
}

// At random; those whose links are carried over come first.
void HnswBuilder::order_nodes() {
  if (old_ != nullptr) {
    for (std::uint32_t& node : old_of_) {
      const auto ordinal = static_cast<std::uint32_t>(&node - old_of_.data());
      if (node == kNone || is_same(ordinal)) continue;
      new_of_[node] = kNone;
      node = kNone;
    }
    const auto border = std::partition(order_.begin(), order_.end(), [&](auto at) { return old_of_[at] != kNone; });
    kept_ = static_cast<std::size_t>(border - order_.begin());
    if (2 * kept_ < order_.size()) kept_ = 0;
  }
  const auto border = order_.begin() + static_cast<std::ptrdiff_t>(kept_);
  if (kept_ == 0) std::sort(order_.begin(), order_.end());
  std::shuffle(order_.begin(), border, random_);
  std::shuffle(border, order_.end(), random_);
}

// Whether the old graph has this vector, as a node of its own here and there.
bool HnswBuilder::is_same(std::uint32_t ordinal) const {
  const std::uint32_t old = old_of_[ordinal];
  const bool is_twin = !std::binary_search(order_.begin(), order_.end(), ordinal);
  return !is_twin && !old_->layer().of(old).empty() &&
         std::memcmp(old_->high(old), nodes_.high(ordinal), nodes_.half()) == 0 &&
         std::memcmp(old_->low(old), nodes_.low(ordinal), nodes_.half()) == 0;
}

void HnswBuilder::carry_links(std::uint32_t ordinal) {
  const GraphLayer old = old_->layer();
  std::vector<std::uint32_t> reached;
  bool is_whole = true;
  for (const std::uint32_t link : old.of(old_of_[ordinal])) {
    if (new_of_[link] != kNone) {
      reached.push_back(new_of_[link]);
      continue;
    }
    is_whole = false;
    for (const std::uint32_t next : old.of(link)) {
      if (new_of_[next] != kNone && new_of_[next] != ordinal) reached.push_back(new_of_[next]);
    }
  }
  if (!is_whole) {
    std::sort(reached.begin(), reached.end());
    reached.erase(std::unique(reached.begin(), reached.end()), reached.end());
    expand(ordinal, 0);
    candidates_.clear();
    for (const std::uint32_t other : reached) candidates_.push_back({similarity(other, 0), other});
    select(HnswNodes::kLinksMost, nullptr);
    reached.clear();
    for (const Candidate& candidate : selected_) reached.push_back(candidate.node);
  }
  std::uint32_t* own = links_.data() + ordinal * stride_;
  own[0] = static_cast<std::uint32_t>(reached.size());
  std::copy(reached.begin(), reached.end(), own + 1);
}

void HnswBuilder::find_twins() {
  std::vector<std::pair<std::size_t, std::uint32_t>> hashes(nodes_.size());
  for (std::uint32_t i = 0; i < hashes.size(); ++i) hashes[i] = {hash_bytes(nodes_.high(i), nodes_.half()), i};
  std::sort(hashes.begin(), hashes.end());
  for (std::size_t from = 0, to = 0; from < hashes.size(); from = to) {
    while (to < hashes.size() && hashes[to].first == hashes[from].first) ++to;
    const std::uint32_t first = hashes[from].second;
    order_.push_back(first);
    for (std::size_t i = from + 1; i < to; ++i) {
      if (nodes_.is_equal(first, hashes[i].second)) {
        twins_.push_back({first, hashes[i].second});
      } else {
        order_.push_back(hashes[i].second);
      }
    }
  }
  std::sort(order_.begin(), order_.end());
  std::sort(twins_.begin(), twins_.end(), [](const Twin& a, const Twin& b) {
    return a.first != b.first ? a.first < b.first : a.ordinal < b.ordinal;
  });
}

// The first one reaches the highest level: walks begin there.
void HnswBuilder::assign_levels() {
  const double scale = 1 / std::log(static_cast<double>(HnswNodes::kLinksMost) / 2);
  std::uniform_real_distribution<double> uniform(1e-9, 1.0);
  level_.resize(order_.size());
  std::uint8_t highest = 1;
  for (std::uint8_t& level : level_) {
    level = static_cast<std::uint8_t>(std::min(-std::log(uniform(random_)) * scale, double{kLevelsMost}));
    highest = std::max(highest, level);
  }
  level_[0] = highest;
  levels_.resize(highest);
  for (HnswLevel& level : levels_) level.stride = HnswNodes::kLinksMost / 2 + 1;
}

HnswBuilder::Links HnswBuilder::links_of(std::size_t level) {
  if (level == 0) return {links_.data(), stride_, stride_ - 1, HnswNodes::kLinksMost, nullptr};
  HnswLevel& upper = levels_[level - 1];
  return {upper.links.data(), upper.stride, upper.stride - 1, upper.stride - 1, upper.ordinals.data()};
}

GraphLayer HnswBuilder::layer_of(std::size_t level) {
  if (level > 0) return levels_[level - 1].layer();
  return {links_.data(), stride_, nullptr, nodes_.size()};
}

std::uint32_t HnswBuilder::add_to_level(std::size_t level, std::uint32_t ordinal, std::uint32_t below) {
  HnswLevel& upper = levels_[level - 1];
  upper.ordinals.push_back(ordinal);
  upper.below.push_back(below);
  upper.links.resize(upper.links.size() + upper.stride);
  return static_cast<std::uint32_t>(upper.ordinals.size() - 1);
}

void HnswBuilder::insert(std::uint32_t ordinal, std::size_t level) {
  const std::size_t lowest = inserted_ < kept_ ? 1 : 0;
  if (level < lowest) return;
  frame_.decode_rotated(nodes_.high(ordinal), nodes_.low(ordinal), nodes_.factors(ordinal).fine_scale, rotated_);
  frame_.prepare_rotated(rotated_, query_);
  query_.base = nodes_.factors(ordinal).add;
  const auto found = find_candidates(query_, lowest, level);
  std::uint32_t node = ordinal;
  for (std::size_t at = 0; at <= level; ++at) {
    if (at > 0) node = add_to_level(at, ordinal, node);
    candidates_ = found[at];
    if (at >= lowest) connect(node, links_of(at), query_);
  }
}

// By level, from `lowest` to `highest`; those above only lead there.
std::vector<std::vector<Candidate>> HnswBuilder::find_candidates(const QueryCode& query, std::size_t lowest,
                                                                 std::size_t highest) {
  std::vector<std::vector<Candidate>> found(highest + 1);
  if (inserted_ == 0) return found;
  std::vector<std::uint32_t> entries{0};
  for (std::size_t at = levels_.size() + 1; at-- > lowest;) {
    const GraphLayer layer = layer_of(at);
    walk_.run(nodes_, layer, query, at <= highest ? kBuildBreadth : kEntries, entries);
    entries.clear();
    for (std::size_t i = 0; i < walk_.pool().size(); ++i) {
      if (at <= highest) found[at].push_back(walk_.pool()[i]);
      if (at > 0 && i < kEntries) entries.push_back(levels_[at - 1].below[walk_.pool()[i].node]);
    }
  }
  return found;
}

float HnswBuilder::fine(const QueryCode& query, std::uint32_t ordinal) const {
  const auto factors = nodes_.factors(ordinal);
  return fine_score(kernels_, query, nodes_.high(ordinal), nodes_.low(ordinal), nodes_.half(), factors.fine_scale,
                    factors.add);
}

void HnswBuilder::connect(std::uint32_t node, Links links, const QueryCode& query) {
  const auto ordinal_of = [&](std::uint32_t at) { return links.ordinals == nullptr ? at : links.ordinals[at]; };
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (i + kPrefetched < candidates_.size()) {
      nodes_.prefetch_low(ordinal_of(candidates_[i + kPrefetched].node));
    }
    candidates_[i].score = fine(query, ordinal_of(candidates_[i].node));
  }
  select(links.wanted, links.ordinals);
  std::uint32_t* own = links.values + node * links.stride;
  own[0] = static_cast<std::uint32_t>(selected_.size());
  for (std::size_t i = 0; i < selected_.size(); ++i) own[i + 1] = selected_[i].node;
  for (std::size_t i = 0; i < own[0]; ++i) link_back(own[i + 1], node, links);
}

void HnswBuilder::link_back(std::uint32_t node, std::uint32_t to, Links links) {
  std::uint32_t* own = links.values + node * links.stride;
  if (own[0] == links.most) thin(node, links);
  if (own[0] < links.most) own[++own[0]] = to;
}

// To fewer than `most`, if need be by leaving out the farthest.
void HnswBuilder::thin(std::uint32_t node, Links links) {
  const auto ordinal_of = [&](std::uint32_t at) { return links.ordinals == nullptr ? at : links.ordinals[at]; };
  std::uint32_t* own = links.values + node * links.stride;
  for (std::size_t i = 1; i <= own[0]; ++i) {
    const std::uint32_t ordinal = ordinal_of(own[i]);
    nodes_.prefetch_high(ordinal);
    nodes_.prefetch_low(ordinal);
  }
  expand(ordinal_of(node), 0);
  candidates_.clear();
  for (std::size_t i = 1; i <= own[0]; ++i) candidates_.push_back({similarity(ordinal_of(own[i]), 0), own[i]});
  select(std::min(links.wanted, links.most - 1), links.ordinals);
  own[0] = static_cast<std::uint32_t>(selected_.size());
  for (std::size_t i = 0; i < selected_.size(); ++i) own[i + 1] = selected_[i].node;
}

void HnswBuilder::select(std::size_t most, const std::uint32_t* ordinals) {
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.node < b.node;
  });
  selected_.clear();
  for (const Candidate& candidate : candidates_) {
    if (selected_.size() == most) return;
    const std::uint32_t ordinal = ordinals == nullptr ? candidate.node : ordinals[candidate.node];
    bool is_covered = false;
    for (std::size_t i = 0; i < selected_.size() && !is_covered; ++i) {
      is_covered = kCover * (1 - similarity(ordinal, i)) <= 1 - candidate.score;
    }
    if (is_covered) continue;
    expand(ordinal, selected_.size());
    selected_.push_back(candidate);
  }
}

// A code u as u − 128, which is half a step off: too little to matter for choosing neighbours.
void HnswBuilder::expand(std::uint32_t ordinal, std::size_t place) {
  const std::size_t half = nodes_.half();
  const std::uint8_t* high = nodes_.high(ordinal);
  const std::uint8_t* low = nodes_.low(ordinal);
  std::int8_t* out = expanded_codes_.data() + place * 2 * half;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < half; ++i) {
    out[i] = static_cast<std::int8_t>(((high[i] & 15) << 4 | (low[i] & 15)) - 128);
    out[half + i] = static_cast<std::int8_t>(((high[i] >> 4) << 4 | (low[i] >> 4)) - 128);
    sum += out[i] + out[half + i];
  }
  const auto factors = nodes_.factors(ordinal);
  expanded_[place] = {factors.add, factors.fine_scale, -127.5f * static_cast<float>(sum)};
}

float HnswBuilder::similarity(std::uint32_t ordinal, std::size_t place) const {
  const std::size_t half = nodes_.half();
  const std::int8_t* expanded = expanded_codes_.data() + place * 2 * half;
  const std::int32_t product = 16 * kernels_.dot_nibbles(nodes_.high(ordinal), expanded, half) +
                               kernels_.dot_nibbles(nodes_.low(ordinal), expanded, half);
  const auto factors = nodes_.factors(ordinal);
  return factors.add + expanded_[place].add +
         factors.fine_scale * expanded_[place].scale * (static_cast<float>(product) + expanded_[place].offset);
}

void HnswBuilder::finish_links() {
  const Links links = links_of(0);
  for (const std::uint32_t ordinal : order_) {
    std::uint32_t* own = links.values + ordinal * links.stride;
    if (own[0] > links.wanted) thin(ordinal, links);
    std::copy_n(own, own[0] + 1, nodes_.links(ordinal));
  }
  links_ = {};
}

// A vector that no other links to would never be found: its nearest neighbour with room, or else the nearest one in
// place of its last link, gets a link to it.
void HnswBuilder::reach_all() {
  std::vector<std::uint8_t> links_in(nodes_.size());
  const auto count_link = [&](std::uint32_t to, int by) {
    links_in[to] = static_cast<std::uint8_t>(std::clamp(links_in[to] + by, 0, 255));
  };
  for (const std::uint32_t ordinal : order_) {
    const std::uint32_t* own = nodes_.links(ordinal);
    for (std::size_t i = 1; i <= own[0]; ++i) count_link(own[i], 1);
  }
  for (const std::uint32_t ordinal : order_) {
    if (links_in[ordinal] > 0) continue;
    const std::uint32_t* own = nodes_.links(ordinal);
    for (std::size_t i = 1; i <= own[0]; ++i) {
      std::uint32_t* other = nodes_.links(own[i]);
      const bool has_room = other[0] < HnswNodes::kLinksMost;
      if (!has_room && links_in[other[other[0]]] < 2) continue;
      if (!has_room) count_link(other[other[0]], -1);
      if (has_room) ++other[0];
      other[other[0]] = ordinal;
      count_link(ordinal, 1);
      break;
    }
  }
}

}  // namespace ragtime::index
