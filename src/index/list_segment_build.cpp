#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "index/calibration.h"
#include "index/kmeans.h"
#include "index/list_segment.h"
#include "index/product_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kRowsAtOnce = 1024;
constexpr std::size_t kVectorsPerListLeast = 128;
constexpr std::size_t kTrainedPerList = 64;
constexpr std::size_t kTrainedForCodes = 8192;
constexpr std::size_t kIterations = 8;
// Centroids are kept for as long as residuals are at most so much longer, in the mean square, than when trained.
constexpr double kMeanSquareGrowth = 1.1;
// And as long as their number is not so far from what it would be.
constexpr std::size_t kListsTooMany = 4;
constexpr std::size_t kListsTooFew = 2;
constexpr std::size_t kQueriesMeasured = 32;
constexpr std::size_t kQuestionsAsked = 64;
constexpr std::size_t kVectorsMeasured = 2048;

std::size_t lists_for(VectorKind kind, std::size_t vectors) {
  if (kind == VectorKind::pq || vectors == 0) return 1;
  const auto root = static_cast<std::size_t>(std::sqrt(static_cast<double>(vectors)));
  return std::max<std::size_t>(std::min(root, vectors / kVectorsPerListLeast), 1);
}

double square_norm(std::span<const float> values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

double mean(std::span<const float> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

// What is trained, or taken over from an earlier segment.
struct ListSegment::Fit {
  std::vector<float> centroids;
  std::shared_ptr<const CodeFrame> frame;
  std::shared_ptr<const ProductQuantizer> quantizer;
  double mean_square = 0;

  static Fit train(VectorKind kind, std::span<const float> sample, std::size_t dimensions, std::size_t lists,
                   std::uint64_t seed);
  static std::optional<Fit> take_over(VectorKind kind, std::span<const float> sample, std::size_t dimensions,
                                      std::size_t lists, const VectorSegment* previous);
};

ListSegment::Fit ListSegment::Fit::train(VectorKind kind, std::span<const float> sample, std::size_t dimensions,
                                         std::size_t lists, std::uint64_t seed) {
  Fit fit;
  fit.centroids = kmeans(sample, dimensions, {lists, kIterations, seed});
  fit.frame = std::make_shared<const CodeFrame>(dimensions, seed, std::vector<float>(dimensions));
  std::vector<std::uint32_t> numbers(sample.size() / dimensions);
  std::vector<float> distances2(numbers.size());
  CentroidTable(dimensions, fit.centroids).nearest(sample, numbers, distances2);
  fit.mean_square = mean(distances2);
  if (kind == VectorKind::ivf) return fit;
  const std::size_t step = (numbers.size() + kTrainedForCodes - 1) / kTrainedForCodes;
  std::vector<float> residuals;
  for (std::size_t row = 0; row < numbers.size(); row += step) {
    for (std::size_t i = 0; i < dimensions; ++i) {
      residuals.push_back(sample[row * dimensions + i] - fit.centroids[numbers[row] * dimensions + i]);
    }
  }
  fit.quantizer = ProductQuantizer::train(residuals, dimensions, seed);
  return fit;
}

std::optional<ListSegment::Fit> ListSegment::Fit::take_over(VectorKind kind, std::span<const float> sample,
                                                            std::size_t dimensions, std::size_t lists,
                                                            const VectorSegment* previous) {
  const auto* old = dynamic_cast<const ListSegment*>(previous);
  if (old == nullptr || old->kind_ != kind || old->dimensions() != dimensions) return {};
  const std::size_t count = old->lists_.size();
  if (count == 0 || count > kListsTooMany * lists || lists > kListsTooFew * count) return {};
  std::vector<std::uint32_t> numbers(sample.size() / dimensions);
  std::vector<float> distances2(numbers.size());
  CentroidTable(dimensions, old->lists_.centroids).nearest(sample, numbers, distances2);
  if (mean(distances2) > kMeanSquareGrowth * old->mean_square_) return {};
  return Fit{old->lists_.centroids, old->frame_, old->quantizer_, old->mean_square_};
}

class ListSegment::Builder {
 public:
  Builder(VectorKind kind, const VectorRows& rows, Fit fit, const std::filesystem::path& files)
      : rows_(rows),
        files_(files),
        segment_(new ListSegment(kind, {rows.ids().begin(), rows.ids().end()}, fit.frame, fit.quantizer)),
        table_(rows.dimensions(), fit.centroids),
        numbers_(rows.ids().size()) {
    segment_->lists_.centroids = std::move(fit.centroids);
    segment_->mean_square_ = fit.mean_square;
  }

  std::shared_ptr<ListSegment> build(std::span<const float> sample, std::uint64_t seed) {
    assign();
    encode();
    if (!segment_->scans_bits()) measure_deviation(sample);
    segment_->measure_steps(sample_questions(rows_, kQuestionsAsked, seed));
    segment_->release_file_pages();
    return segment_;
  }

 private:
  void assign();
  void encode();
  void encode_residual(std::span<const float> residual, std::size_t slot);
  void encode_bits(std::span<const float> rotated, std::size_t slot);
  void encode_products(std::span<const float> residual, std::size_t slot);
  void measure_deviation(std::span<const float> sample);

  const VectorRows& rows_;
  const std::filesystem::path& files_;
  std::shared_ptr<ListSegment> segment_;
  CentroidTable table_;
  std::vector<std::uint32_t> numbers_;  // Lists by ordinal.
};

void ListSegment::Builder::assign() {
  Lists& lists = segment_->lists_;
  lists.sizes.resize(table_.size());
  std::vector<double> squares(table_.size());
  std::vector<double> fourth_powers(table_.size());
  std::vector<double> longest(table_.size());
  std::vector<float> distances2(kRowsAtOnce);
  for_row_blocks(rows_, kRowsAtOnce, [&](std::size_t first, std::span<const float> values) {
    const std::size_t count = values.size() / rows_.dimensions();
    const auto numbers = std::span(numbers_).subspan(first, count);
    table_.nearest(values, numbers, std::span(distances2).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      ++lists.sizes[numbers[i]];
      squares[numbers[i]] += distances2[i];
      fourth_powers[numbers[i]] += static_cast<double>(distances2[i]) * distances2[i];
      longest[numbers[i]] = std::max<double>(longest[numbers[i]], distances2[i]);
    }
  });
  for (std::size_t list = 0; list < lists.size(); ++list) {
    const double weighted = squares[list] > 0 ? fourth_powers[list] / squares[list] : 0;
    lists.spreads.push_back(static_cast<float>(std::sqrt(weighted)));
    lists.radii.push_back(static_cast<float>(std::sqrt(longest[list])));
  }
}

void ListSegment::Builder::encode() {
  segment_->lay_out();
  segment_->make_codes(files_);
  std::vector<std::uint32_t> next = segment_->lists_.begins;
  std::vector<float> residual(rows_.dimensions());
  for_row_blocks(rows_, kRowsAtOnce, [&](std::size_t first, std::span<const float> values) {
    for (std::size_t i = 0; i < values.size() / residual.size(); ++i) {
      const std::size_t list = numbers_[first + i];
      const auto centroid = segment_->centroid(list);
      for (std::size_t d = 0; d < residual.size(); ++d) residual[d] = values[i * residual.size() + d] - centroid[d];
      const std::size_t slot = next[list]++;
      segment_->place(slot, first + i);
      encode_residual(residual, slot);
    }
  });
}

void ListSegment::Builder::encode_residual(std::span<const float> residual, std::size_t slot) {
  const CodeFrame& frame = *segment_->frame_;
  Columns& columns = segment_->columns_;
  std::vector<float> rotated(frame.coordinates());
  frame.rotate(residual, rotated);
  if (!segment_->scans_bits()) {
    std::uint8_t* row = columns.fine.data() + columns.ordinals[slot] * segment_->fine_stride();
    const float scale = frame.encode_rotated(rotated, row, row + frame.half()).fine_scale;
    std::memcpy(row + 2 * frame.half(), &scale, sizeof scale);
    return encode_products(residual, slot);
  }
  const CodeTerms terms = frame.encode_rotated(rotated, columns.high.data() + slot * frame.half(),
                                               columns.low.data() + slot * frame.half());
  columns.fine_scale[slot] = terms.fine_scale;
  columns.scan_scale[slot] = terms.bit_scale;
  columns.scan_error[slot] = terms.bit_error;
  encode_bits(rotated, slot);
}

void ListSegment::Builder::encode_bits(std::span<const float> rotated, std::size_t slot) {
  const std::size_t words = segment_->frame_->words();
  std::uint64_t* block = segment_->columns_.bits.data() + slot / kBitBlock * kBitBlock * words;
  for (std::size_t i = 0; i < rotated.size(); ++i) {
    block[i / 64 * kBitBlock + slot % kBitBlock] |= std::uint64_t{rotated[i] >= 0} << i % 64;
  }
}

// The scale makes estimates unbiased, as for 1-bit codes: r̂ · |r|² / <r̂, r>.
void ListSegment::Builder::encode_products(std::span<const float> residual, std::size_t slot) {
  const ProductQuantizer& quantizer = *segment_->quantizer_;
  Columns& columns = segment_->columns_;
  std::vector<std::uint8_t> codes(quantizer.parts());
  std::vector<float> decoded(residual.size());
  quantizer.encode(residual, codes);
  quantizer.decode(codes, decoded);
  std::uint8_t* block = columns.products.data() + slot / kCodeBlock * kCodeBlock * quantizer.pairs();
  for (std::size_t pair = 0; pair < quantizer.pairs(); ++pair) {
    block[pair * kCodeBlock + slot % kCodeBlock] =
        static_cast<std::uint8_t>(codes[2 * pair] | codes[2 * pair + 1] << 4);
  }
  const double norm2 = square_norm(residual);
  const double product = std::inner_product(residual.begin(), residual.end(), decoded.begin(), 0.0);
  const double degrees = static_cast<double>(std::max<std::size_t>(residual.size(), 2) - 1);
  if (norm2 > 0 && product > 0.1 * norm2) {
    const double tangent2 = std::max(norm2 * square_norm(decoded) / (product * product) - 1, 0.0);
    columns.scan_scale[slot] = static_cast<float>(norm2 / product);
    columns.scan_error[slot] = static_cast<float>(std::sqrt(norm2 * tangent2 / degrees));
  } else {
    // The code says nothing: the estimate is that of the centroid.
    columns.scan_error[slot] = static_cast<float>(std::sqrt(norm2 / degrees));
  }
}

// Errors of product quantisation do not lie in random directions, so how large they come out is measured.
void ListSegment::Builder::measure_deviation(std::span<const float> sample) {
  const std::size_t dimensions = rows_.dimensions();
  const std::size_t queries = std::min(kQueriesMeasured, sample.size() / dimensions);
  double squares = 0;
  std::size_t measured = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    const std::size_t row = sample.size() / dimensions * q / queries;
    const auto [sum, count] = segment_->squared_errors(sample.subspan(row * dimensions, dimensions), kVectorsMeasured);
    squares += sum;
    measured += count;
  }
  if (measured > 0) segment_->deviation_ = std::sqrt(squares / static_cast<double>(measured));
}

std::shared_ptr<VectorSegment> ListSegment::build_kind(VectorKind kind, const VectorRows& rows,
                                                       const SegmentOptions& options) {
  const std::size_t dimensions = rows.dimensions();
  const std::size_t lists = lists_for(kind, rows.ids().size());
  auto sample = sample_rows(rows, std::max(lists * kTrainedPerList, kTrainedForCodes), options.seed);
  if (sample.empty()) sample.resize(dimensions);
  auto fit = Fit::take_over(kind, sample, dimensions, lists, options.previous);
  if (!fit) fit = Fit::train(kind, sample, dimensions, lists, options.seed);
  return Builder(kind, rows, std::move(*fit), options.files).build(sample, options.seed + 1);
}

}  // namespace ragtime::index
