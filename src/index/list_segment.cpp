#include "index/list_segment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "index/column_file.h"
#include "index/product_kernels.h"
#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kScanned = 256;
constexpr std::size_t kPrefetched = 4;
// Of the queue, after so many vectors as are scanned at once: enough that the worst of the best k becomes known.
constexpr std::size_t kRefinedAtOnce = 4;
// So many vectors are scanned in any case, but for calibration: it costs little.
constexpr std::size_t kScannedLeast = 2048;
constexpr std::size_t kEffortLeast = 4;
constexpr std::size_t kEffortMost = std::size_t{1} << 24;
// Standard deviations of the short codes' error within which the 8-bit code is looked at.
constexpr float kBitDeviations = 3.0f;
constexpr float kProductDeviations = 2.5f;
// Looking at a vector of a small selection costs as much as scanning so many.
constexpr std::size_t kListedBelow = 25;
constexpr std::size_t kListedAlways = 1000;
// With lists, of which only some are scanned: as scanning √n vectors, and so many.
constexpr std::size_t kListedOfRoot = 2;

// Ranks and share of misses where it was measured how much t changes; it never grows.
constexpr double kRankOfAll = 10;
constexpr double kMissCompared = 0.05;
// Selections near a vector take more than those by chance.
constexpr float kPartBelieved = 0.6f;
// Of what a target allows to be missed without a selection: one that depends on the question needs lists that reach
// farther.
constexpr double kMissedOfSelection = 0.5;

// What residuals' lengths and scores may err by.
constexpr float kRounding = 0.005f;

constexpr std::array<float, kScanned> kNothingAdded{};

void prefetch(const std::uint8_t* at, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

// Puts into a heap.
template <class Chance>
void enqueue(const Chance& chance, std::vector<Chance>& queue) {
  queue.push_back(chance);
  std::push_heap(queue.begin(), queue.end());
}

struct ListChance {
  float reach = 0;
  float product = 0;  // Of centroid and query.
  std::uint32_t list = 0;
  bool operator<(const ListChance& other) const {
    return reach != other.reach ? reach < other.reach : list > other.list;
  }
};

}  // namespace

// A vector whose 8-bit code is yet to be looked at. In heaps, the best bound is in front.
struct ListSegment::Chance {
  float upper = 0;
  float product = 0;  // Of its centroid and the query.
  std::uint32_t slot = 0;
  bool operator<(const Chance& other) const { return upper != other.upper ? upper < other.upper : slot > other.slot; }
};

struct ListSegment::Query {
  std::span<const float> vector;
  QueryCode code;
  ProductTable table;
  BoundTerms terms;  // But for the list's part of the base.
  float length = 0;
  float spread_factor = 0;  // Of lists' spreads in their reach; infinite to scan all.
};

ListSegment::ListSegment(VectorKind kind, std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame,
                         std::shared_ptr<const ProductQuantizer> quantizer)
    : VectorSegment(frame->dimensions(), std::move(ids)),
      kind_(kind),
      frame_(std::move(frame)),
      quantizer_(std::move(quantizer)) {}

void ListSegment::lay_out() {
  std::uint32_t slots = 0;
  lists_.begins.clear();
  for (const std::uint32_t vectors : lists_.sizes) {
    lists_.begins.push_back(slots);
    slots += (vectors + kCodeBlock - 1) / kCodeBlock * kCodeBlock;
  }
  columns_.ordinals = AlignedColumn<std::uint32_t>(slots);
  slots_ = AlignedColumn<std::uint32_t>(size());
}

void ListSegment::make_codes(const std::filesystem::path& files) {
  static_assert(kCodeBlock % kBitBlock == 0);
  const std::size_t slots = columns_.ordinals.size();
  columns_.bits = AlignedColumn<std::uint64_t>(slots * bit_words());
  columns_.products = AlignedColumn<std::uint8_t>(slots * product_bytes());
  columns_.scan_scale = AlignedColumn<float>(slots);
  columns_.scan_error = AlignedColumn<float>(slots);
  if (scans_bits()) {
    columns_.high = AlignedColumn<std::uint8_t>(slots * frame_->half());
    columns_.low = AlignedColumn<std::uint8_t>(slots * frame_->half());
    columns_.fine_scale = AlignedColumn<float>(slots);
    return;
  }
  FileColumn<std::uint8_t> fine(size() * fine_stride(), files);
  columns_.fine = std::move(fine.column);
  fine_in_file_ = fine.is_in_file;
}

ListSegment::FineCode ListSegment::fine_code(std::size_t slot) const {
  const std::size_t half = frame_->half();
  if (scans_bits()) {
    return {columns_.high.data() + slot * half, columns_.low.data() + slot * half, columns_.fine_scale[slot]};
  }
  const std::uint8_t* row = columns_.fine.data() + columns_.ordinals[slot] * fine_stride();
  FineCode code{row, row + half};
  std::memcpy(&code.scale, row + 2 * half, sizeof code.scale);
  return code;
}

void ListSegment::prefetch_fine(std::size_t slot) const {
  const std::size_t half = frame_->half();
  if (!scans_bits()) return prefetch(columns_.fine.data() + columns_.ordinals[slot] * fine_stride(), fine_stride());
  prefetch(columns_.high.data() + slot * half, half);
  prefetch(columns_.low.data() + slot * half, half);
}

void ListSegment::prefetch_listed(std::size_t slot) const {
  if (scans_bits()) return prefetch_fine(slot);
  prefetch(product_codes(slot), quantizer_->pairs() * kCodeBlock);
  __builtin_prefetch(columns_.scan_scale.data() + slot);
  __builtin_prefetch(columns_.scan_error.data() + slot);
}

const std::uint8_t* ListSegment::product_codes(std::size_t slot) const {
  return columns_.products.data() + slot / kCodeBlock * kCodeBlock * quantizer_->pairs() + slot % kCodeBlock;
}

void ListSegment::place(std::size_t slot, std::size_t ordinal) {
  columns_.ordinals[slot] = static_cast<std::uint32_t>(ordinal);
  slots_[ordinal] = static_cast<std::uint32_t>(slot);
}

std::span<const float> ListSegment::centroid(std::size_t list) const {
  return std::span(lists_.centroids).subspan(list * dimensions(), dimensions());
}

std::size_t ListSegment::list_of(std::size_t slot) const {
  // Empty lists begin where the next one does: the last that begins at or before the slot.
  const auto after = std::upper_bound(lists_.begins.begin(), lists_.begins.end(), slot);
  return static_cast<std::size_t>(after - lists_.begins.begin()) - 1;
}

EffortRange ListSegment::effort_range() const {
  return lists_.size() > 1 ? EffortRange{kEffortLeast, kEffortMost} : EffortRange{};
}

ListSegment::Query ListSegment::prepare(const SegmentQuery& query) const {
  Query prepared{.vector = query.vector, .code = frame_->prepare(query.vector)};
  const auto& code = prepared.code;
  prepared.length = std::sqrt(best_vector_kernels().dot(query.vector.data(), query.vector.data(), dimensions()));
  if (scans_bits()) {
    prepared.terms = {0, code.bit_step * 15 * static_cast<float>(frame_->coordinates()), -2 * code.bit_step,
                      kBitDeviations * code.bit_deviation};
  } else {
    prepared.table = quantizer_->table(query.vector);
    prepared.terms = {kProductDeviations * prepared.table.error, prepared.table.offset, prepared.table.step,
                      kProductDeviations * static_cast<float>(deviation_) * prepared.length};
  }
  std::size_t effort = query.effort;
  if (effort != 0 && query.filter->is_selective()) {
    effort = std::max(effort, effort_for(1 - kMissedOfSelection * (1 - query.recall_target)));
  }
  // Without an effort, and then perhaps without a filter, everything is looked at.
  const float t = effort == 0 || effort >= kEffortMost
                      ? std::numeric_limits<float>::infinity()
                      : std::log2(static_cast<float>(effort)) * steps_part(*query.filter);
  prepared.spread_factor = t * prepared.length / std::sqrt(static_cast<float>(dimensions()));
  return prepared;
}

void ListSegment::release_file_pages() const {
  if (fine_in_file_) release_pages(std::as_bytes(columns_.fine.span()));
}

// Of t: the best ten of a tenth lie where the best hundred of all do, for which lists need reach less far.
float ListSegment::steps_part(const OrdinalFilter& filter) const {
  if (!filter.is_selective() || filter.matches_max() == 0) return 1;
  const double share = static_cast<double>(filter.matches_max()) / static_cast<double>(size());
  const float part = reach_steps_.of(kRankOfAll / share, kMissCompared) / reach_steps_.of(kRankOfAll, kMissCompared);
  return std::isfinite(part) ? 1 - kPartBelieved * (1 - std::clamp(part, 0.0f, 1.0f)) : 1.0f;
}

void ListSegment::measure_steps(std::span<const float> questions) {
  const OrdinalFilter open(ids(), nullptr, nullptr);
  std::vector<std::vector<ReachSteps::Neighbour>> samples;
  for (std::size_t at = 0; at < questions.size() && lists_.size() > 1; at += dimensions()) {
    const auto vector = questions.subspan(at, dimensions());
    const float length = std::sqrt(best_vector_kernels().dot(vector.data(), vector.data(), dimensions()));
    TopK best(ReachSteps::kNeighbours);
    search({.vector = vector, .filter = &open}, best);
    auto& neighbours = samples.emplace_back();
    for (const Hit& hit : std::move(best).take_sorted()) {
      const std::size_t list = list_of(slots_[ordinal_of(hit.id)]);
      const float product = best_vector_kernels().dot(vector.data(), centroid(list).data(), dimensions());
      neighbours.push_back({hit.score, product, lists_.spreads[list] * length});
    }
  }
  if (!samples.empty()) reach_steps_ = ReachSteps::measure(samples);
}

// Selections up to this size are looked at one by one.
std::size_t ListSegment::listed_most() const {
  if (lists_.size() == 1) return std::max(size() / kListedBelow, kListedAlways);
  return static_cast<std::size_t>(kListedOfRoot * std::sqrt(static_cast<double>(size())));
}

void ListSegment::search(const SegmentQuery& query, TopK& best) const {
  RAGTIME_CHECK(query.vector.size() == dimensions());
  const OrdinalFilter& filter = *query.filter;
  const Query prepared = prepare(query);
  if (filter.is_selective() && filter.matches_max() <= listed_most()) {
    return search_listed(prepared, filter.list(), best);
  }
  std::vector<float> products(lists_.size());
  best_vector_kernels().dot_rows(query.vector.data(), lists_.centroids.data(), lists_.size(), dimensions(),
                                 products.data());
  std::vector<ListChance> chances;
  chances.reserve(lists_.size());
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    if (lists_.sizes[list] == 0) continue;
    // No vector of the list is above its product and longest residual, but for rounding.
    const float farthest = prepared.length * (lists_.radii[list] + kRounding);
    const float reach = products[list] + std::min(farthest, prepared.spread_factor * lists_.spreads[list]);
    chances.push_back({reach, products[list], static_cast<std::uint32_t>(list)});
  }
  std::make_heap(chances.begin(), chances.end());
  thread_local std::vector<std::uint64_t> marks;
  const std::uint64_t* marked = filter.is_selective() && !filter.is_thin() && filter.mark(marks) ? marks.data() : nullptr;
  // Calibration is about reach, which alone finds what a selection has in lists that are not the first.
  std::size_t scanned = query.absent ? kScannedLeast : 0;
  std::vector<Chance> queue;
  for (; !chances.empty(); chances.pop_back()) {
    if (chances.front().reach < best.floor() && scanned >= kScannedLeast) break;
    scan_list(prepared, chances.front().list, chances.front().product, filter, marked, queue, best);
    scanned += lists_.sizes[chances.front().list];
    std::pop_heap(chances.begin(), chances.end());
  }
  refine(prepared, queue.size(), queue, best);
}

void ListSegment::scan_list(const Query& query, std::size_t list, float product, const OrdinalFilter& filter,
                            const std::uint64_t* marked, std::vector<Chance>& queue, TopK& best) const {
  std::array<float, kScanned> upper;
  std::array<std::uint32_t, kScanned + kWriteRoom> chances;
  const VectorKernels& kernels = best_vector_kernels();
  const std::size_t end = lists_.begins[list] + lists_.sizes[list];
  for (std::size_t first = lists_.begins[list]; first < end; first += kScanned) {
    const std::size_t count = std::min(kScanned, end - first);
    std::size_t found = 0;
    if (marked == nullptr) {
      scan_codes(query, first, count, product, upper.data());
      found = kernels.collect(upper.data(), count, best.floor(), chances.data());
    } else {
      found = kernels.select_places(marked, columns_.ordinals.data() + first, count, chances.data());
      scan_places(query, first, {chances.data(), found}, product, upper.data());
      const auto end_of_chances = std::remove_if(chances.begin(), chances.begin() + static_cast<std::ptrdiff_t>(found),
                                                 [&](std::uint32_t at) { return !(upper[at] >= best.floor()); });
      found = static_cast<std::size_t>(end_of_chances - chances.begin());
    }
    for (std::size_t i = 0; i < found; ++i) {
      if (scans_bits() && i + kPrefetched < found) prefetch_fine(first + chances[i + kPrefetched]);
      if (upper[chances[i]] < best.floor()) continue;
      const std::size_t slot = first + chances[i];
      const std::uint32_t ordinal = columns_.ordinals[slot];
      if (marked == nullptr && !filter.allows(ordinal)) continue;
      if (scans_bits()) {
        best.offer({ids()[ordinal], score(query.code, product, slot)});
      } else {
        enqueue({upper[chances[i]], product, static_cast<std::uint32_t>(slot)}, queue);
      }
    }
    if (!scans_bits()) refine(query, kRefinedAtOnce, queue, best);
  }
}

void ListSegment::refine(const Query& query, std::size_t most, std::vector<Chance>& queue, TopK& best) const {
  // Until there are k to compare with, all of them are needed.
  for (std::size_t refined = 0; !queue.empty() && queue.front().upper >= best.floor();) {
    if (refined >= most && best.worst() != nullptr) return;
    std::array<Chance, kPrefetched> next;
    std::size_t count = 0;
    for (; count < next.size() && !queue.empty() && queue.front().upper >= best.floor(); ++count) {
      next[count] = queue.front();
      std::pop_heap(queue.begin(), queue.end());
      queue.pop_back();
      prefetch_fine(next[count].slot);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (next[i].upper < best.floor()) continue;
      best.offer({ids()[columns_.ordinals[next[i].slot]], score(query.code, next[i].product, next[i].slot)});
    }
    refined += count;
  }
}

// Upper bounds of the vectors in slots `first` + some places, which ascend, and of others in the same blocks.
void ListSegment::scan_places(const Query& query, std::size_t first, std::span<const std::uint32_t> places,
                              float product, float* upper) const {
  const std::size_t block = scans_bits() ? kBitBlock : kCodeBlock;
  for (std::size_t i = 0; i < places.size();) {
    const std::size_t begin = places[i] / block * block;
    std::size_t end = begin + block;
    std::size_t next = i;
    for (; next < places.size() && places[next] < end + block; ++next) end = places[next] / block * block + block;
    if (!scans_bits() && next - i <= (end - begin) / block) {  // One of each block.
      for (; i < next; ++i) upper[places[i]] = upper_bound_of(query, first + places[i], product);
    } else {
      scan_codes(query, first + begin, end - begin, product, upper + begin);
    }
    i = next;
  }
}

// As scan_codes, of one vector by product quantisation.
float ListSegment::upper_bound_of(const Query& query, std::size_t slot, float product) const {
  const std::int32_t sum = table_sum(product_codes(slot), quantizer_->pairs(), query.table.entries.data());
  const BoundTerms& terms = query.terms;
  return terms.base + product + columns_.scan_scale[slot] * (terms.offset + terms.factor * static_cast<float>(sum)) +
         terms.slack * columns_.scan_error[slot];
}

// Upper bounds of the vectors in slots first … first + count − 1; first is a multiple of the
// codes' blocks.
void ListSegment::scan_codes(const Query& query, std::size_t first, std::size_t count, float product,
                             float* upper) const {
  std::array<std::int32_t, kScanned> values;
  const VectorKernels& kernels = best_vector_kernels();
  if (scans_bits()) {
    kernels.bit_distances(columns_.bits.data() + first * frame_->words(), (count + kBitBlock - 1) / kBitBlock,
                          query.code.planes.data(), frame_->words(), values.data());
  } else {
    best_product_kernels().table_sums(columns_.products.data() + first * quantizer_->pairs(),
                                      (count + kCodeBlock - 1) / kCodeBlock, quantizer_->pairs(),
                                      query.table.entries.data(), values.data());
  }
  BoundTerms terms = query.terms;
  terms.base += product;
  kernels.upper_bounds(values.data(), columns_.scan_scale.data() + first, kNothingAdded.data(),
                       columns_.scan_error.data() + first, count, terms, upper);
}

std::pair<double, std::size_t> ListSegment::squared_errors(std::span<const float> vector, std::size_t count) const {
  Query query = prepare({.vector = vector});
  query.terms.slack = 0;
  const std::size_t step = (size() + count - 1) / count;
  std::array<float, kCodeBlock> estimates;
  double squares = 0;
  std::size_t measured = 0;
  for (std::size_t ordinal = 0; ordinal < size(); ordinal += step * kCodeBlock) {
    const std::size_t list = list_of(slots_[ordinal]);
    const std::size_t first = slots_[ordinal] / kCodeBlock * kCodeBlock;
    float product = 0;
    best_vector_kernels().dot_rows(vector.data(), centroid(list).data(), 1, dimensions(), &product);
    scan_codes(query, first, kCodeBlock, product, estimates.data());
    for (std::size_t i = 0; i < kCodeBlock; ++i) {
      const float deviation = columns_.scan_error[first + i] * query.length;  // 0 between lists.
      if (deviation <= 0) continue;
      const double error = (score(query.code, product, first + i) - estimates[i]) / deviation;
      squares += error * error;
      ++measured;
    }
  }
  return {squares, measured};
}

float ListSegment::score(const QueryCode& code, float product, std::size_t slot) const {
  const FineCode fine = fine_code(slot);
  return fine_score(best_vector_kernels(), code, fine.high, fine.low, frame_->half(), fine.scale, product);
}

void ListSegment::search_listed(const Query& query, std::span<const std::uint32_t> ordinals, TopK& best) const {
  std::vector<float> products(ordinals.size() > lists_.size() ? lists_.size() : 0);
  const auto dot_rows = best_vector_kernels().dot_rows;
  dot_rows(query.vector.data(), lists_.centroids.data(), products.size(), dimensions(), products.data());
  std::vector<Chance> queue;
  for (std::size_t i = 0; i < ordinals.size(); ++i) {
    if (i + kPrefetched < ordinals.size()) prefetch_listed(slots_[ordinals[i + kPrefetched]]);
    const std::size_t slot = slots_[ordinals[i]];
    const std::size_t list = list_of(slot);
    float product = products.empty() ? 0 : products[list];
    if (products.empty()) dot_rows(query.vector.data(), centroid(list).data(), 1, dimensions(), &product);
    if (scans_bits()) {
      best.offer({ids()[ordinals[i]], score(query.code, product, slot)});
      continue;
    }
    const float upper = upper_bound_of(query, slot, product);
    if (upper < best.floor()) continue;
    enqueue({upper, product, static_cast<std::uint32_t>(slot)}, queue);
    if (i % kScanned == kScanned - 1) refine(query, kRefinedAtOnce, queue, best);
  }
  refine(query, queue.size(), queue, best);
}

void ListSegment::scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
                         std::span<float> out) const {
  RAGTIME_CHECK(query.size() == dimensions() && out.size() == ordinals.size());
  const QueryCode code = frame_->prepare(query);
  for (std::size_t i = 0; i < ordinals.size(); ++i) {
    const std::size_t slot = slots_[ordinals[i]];
    float product = 0;  // By the same function as in searches, so that scores are equal.
    best_vector_kernels().dot_rows(query.data(), centroid(list_of(slot)).data(), 1, dimensions(), &product);
    out[i] = score(code, product, slot);
  }
}

void ListSegment::reconstruct(std::size_t ordinal, std::span<float> out) const {
  const std::size_t slot = slots_[ordinal];
  const FineCode fine = fine_code(slot);
  frame_->decode(fine.high, fine.low, fine.scale, out);
  const auto c = centroid(list_of(slot));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += c[i];
}

std::size_t ListSegment::bytes() const {
  const Columns& c = columns_;
  const std::size_t of_list = dimensions() * sizeof(float) + 2 * sizeof(std::uint32_t) + 2 * sizeof(float);
  return id_bytes() + c.ordinals.bytes() + c.bits.bytes() + c.products.bytes() + c.high.bytes() + c.low.bytes() +
         c.scan_scale.bytes() + c.scan_error.bytes() + c.fine_scale.bytes() + slots_.bytes() + lists_.size() * of_list +
         (fine_in_file_ ? 0 : c.fine.bytes()) +
         (quantizer_ == nullptr ? 0 : quantizer_->bytes());
}

}  // namespace ragtime::index
