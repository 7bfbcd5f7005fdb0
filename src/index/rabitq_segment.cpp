#include "index/rabitq_segment.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/check.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kScanned = 512;  // Vectors between two looks at the threshold.
constexpr std::size_t kBuilt = 256;
constexpr std::size_t kPrefetched = 6;
// A selection this much smaller than the segment is looked up: a lookup costs as much as scanning so many codes.
constexpr std::size_t kListedBelow = 24;
static_assert(kScanned % kBitBlock == 0);

std::size_t padded_size(std::size_t size) {
  return (size + kBitBlock - 1) / kBitBlock * kBitBlock;
}

void prefetch(const std::uint8_t* from, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at);
}

void put_bits(std::span<const float> rotated, std::uint64_t* block, std::size_t lane) {
  for (std::size_t i = 0; i < rotated.size(); ++i) {
    block[i / 64 * kBitBlock + lane] |= std::uint64_t{rotated[i] >= 0 ? 1u : 0u} << i % 64;
  }
}

}  // namespace

// What one search scans with.
struct RabitqSegment::Scan {
  const VectorKernels& kernels;
  const QueryCode& code;
  BoundTerms terms;
};

RabitqSegment::RabitqSegment(ScanBits scan_bits, std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame,
                             Columns columns)
    : FramedSegment(frame->dimensions(), std::move(ids), frame), scan_bits_(scan_bits), columns_(std::move(columns)) {}

RabitqSegment::Columns RabitqSegment::make_columns(ScanBits bits, std::size_t size, const CodeFrame& frame) {
  const std::size_t padded = padded_size(size);
  return {.bits = AlignedColumn<std::uint64_t>(bits == ScanBits::one ? padded * frame.words() : 0),
          .high = AlignedColumn<std::uint8_t>(padded * frame.half()),
          .low = AlignedColumn<std::uint8_t>(padded * frame.half()),
          .add = AlignedColumn<float>(padded),
          .scan_scale = AlignedColumn<float>(padded),
          .scan_error = AlignedColumn<float>(padded),
          .fine_scale = AlignedColumn<float>(padded)};
}

std::shared_ptr<VectorSegment> RabitqSegment::build_with(ScanBits bits, const VectorRows& rows,
                                                         const SegmentOptions& options) {
  const auto frame = CodeFrame::fit(rows, options);
  const auto ids = rows.ids();
  std::shared_ptr<RabitqSegment> segment(new RabitqSegment(bits, std::vector<ChunkId>(ids.begin(), ids.end()), frame,
                                                           make_columns(bits, ids.size(), *frame)));
  Columns& columns = segment->columns_;
  std::vector<float> rotated(frame->coordinates());
  for_row_blocks(rows, kBuilt, [&](std::size_t first, std::span<const float> values) {
    for (std::size_t i = 0; i < values.size() / frame->dimensions(); ++i) {
      const std::size_t at = first + i;
      const auto vector = values.subspan(i * frame->dimensions(), frame->dimensions());
      const CodeTerms terms = frame->encode(vector, rotated, columns.high.data() + at * frame->half(),
                                            columns.low.data() + at * frame->half());
      segment->store(at, rotated, terms, columns);
    }
  });
  return segment;
}

void RabitqSegment::store(std::size_t ordinal, std::span<const float> rotated, const CodeTerms& terms,
                          Columns& columns) const {
  columns.add[ordinal] = terms.add;
  columns.fine_scale[ordinal] = terms.fine_scale;
  switch (scan_bits_) {
    case ScanBits::one:
      put_bits(rotated, columns.bits.data() + ordinal / kBitBlock * kBitBlock * frame()->words(), ordinal % kBitBlock);
      columns.scan_scale[ordinal] = terms.bit_scale;
      columns.scan_error[ordinal] = terms.bit_error;
      return;
    case ScanBits::four:
      columns.scan_scale[ordinal] = terms.coarse_scale;
      columns.scan_error[ordinal] = terms.coarse_error;
      return;
    case ScanBits::eight:
      columns.scan_scale[ordinal] = terms.fine_scale;
      columns.scan_error[ordinal] = terms.fine_error;
      return;
  }
}

VectorKind RabitqSegment::kind() const {
  if (scan_bits_ == ScanBits::one) return VectorKind::rabitq;
  return scan_bits_ == ScanBits::four ? VectorKind::rabitq4 : VectorKind::rabitq8;
}

// Upper bounds of vectors first … first + count − 1; first is a multiple of kBitBlock.
void RabitqSegment::scan_codes(const Scan& scan, std::size_t first, std::size_t count, float* upper) const {
  std::array<std::int32_t, kScanned> values;
  const std::size_t half = frame()->half();
  const std::int8_t* coarse = scan.code.coarse.data();
  if (scan_bits_ == ScanBits::one) {
    scan.kernels.bit_distances(columns_.bits.data() + first * frame()->words(), padded_size(count) / kBitBlock,
                               scan.code.planes.data(), frame()->words(), values.data());
  } else {
    scan.kernels.dot_nibble_rows(columns_.high.data() + first * half, half, count, coarse, half, values.data());
  }
  if (scan_bits_ == ScanBits::eight) {
    std::array<std::int32_t, kScanned> low;
    scan.kernels.dot_nibble_rows(columns_.low.data() + first * half, half, count, coarse, half, low.data());
    for (std::size_t i = 0; i < count; ++i) values[i] = 16 * values[i] + low[i];
  }
  scan.kernels.upper_bounds(values.data(), columns_.scan_scale.data() + first, columns_.add.data() + first,
                            columns_.scan_error.data() + first, count, scan.terms, upper);
}

float RabitqSegment::score(const QueryCode& query, std::size_t ordinal) const {
  const std::size_t half = frame()->half();
  return fine_score(best_vector_kernels(), query, columns_.high.data() + ordinal * half,
                    columns_.low.data() + ordinal * half, half, columns_.fine_scale[ordinal], columns_.add[ordinal]);
}

namespace {

// The product of query and code is offset + factor · (what the kernel computes).
BoundTerms bound_terms(ScanBits bits, const QueryCode& code, std::size_t coordinates, std::size_t effort) {
  const float deviations = static_cast<float>(effort) / 8;
  const auto coarse_sum = static_cast<float>(code.coarse_sum);
  switch (bits) {
    case ScanBits::one:
      return {code.base, code.bit_step * 15 * static_cast<float>(coordinates), -2 * code.bit_step,
              deviations * code.bit_deviation};
    case ScanBits::four:
      return {code.base, -7.5f * code.coarse_step * coarse_sum, code.coarse_step, deviations * code.coarse_deviation};
    case ScanBits::eight:
      break;
  }
  return {code.base, -127.5f * code.coarse_step * coarse_sum, code.coarse_step, deviations * code.fine_deviation};
}

}  // namespace

void RabitqSegment::search(const SegmentQuery& query, TopK& best) const {
  const QueryCode code = frame()->prepare(query.vector, scan_bits_ == ScanBits::one);
  const OrdinalFilter& filter = *query.filter;
  if (filter.is_selective() && filter.matches_max() < size() / kListedBelow) {
    search_listed(code, filter.list(), best);
    return;
  }
  const VectorKernels& kernels = best_vector_kernels();
  const Scan scan{kernels, code, bound_terms(scan_bits_, code, frame()->coordinates(), query.effort)};
  std::array<float, kScanned> upper;
  std::array<std::uint32_t, kScanned + kWriteRoom> chances;
  const std::size_t half = frame()->half();
  for (std::size_t first = 0; first < size(); first += kScanned) {
    const std::size_t count = std::min(kScanned, size() - first);
    scan_codes(scan, first, count, upper.data());
    const std::size_t found = kernels.collect(upper.data(), count, best.floor(), chances.data());
    for (std::size_t i = 0; i < found; ++i) {
      if (i + kPrefetched < found) {
        const std::size_t next = first + chances[i + kPrefetched];
        prefetch(columns_.high.data() + next * half, half);
        prefetch(columns_.low.data() + next * half, half);
      }
      const std::size_t ordinal = first + chances[i];
      if (upper[chances[i]] < best.floor() || !filter.allows(ordinal)) continue;
      best.offer({ids()[ordinal], score(code, ordinal)});
    }
  }
}

void RabitqSegment::search_listed(const QueryCode& code, std::span<const std::uint32_t> ordinals, TopK& best) const {
  const std::size_t half = frame()->half();
  for (std::size_t i = 0; i < ordinals.size(); ++i) {
    if (i + kPrefetched < ordinals.size()) {
      prefetch(columns_.high.data() + ordinals[i + kPrefetched] * half, half);
      prefetch(columns_.low.data() + ordinals[i + kPrefetched] * half, half);
    }
    best.offer({ids()[ordinals[i]], score(code, ordinals[i])});
  }
}

void RabitqSegment::scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
                           std::span<float> out) const {
  RAGTIME_CHECK(out.size() == ordinals.size());
  const QueryCode code = frame()->prepare(query, false);
  for (std::size_t i = 0; i < ordinals.size(); ++i) out[i] = score(code, ordinals[i]);
}

void RabitqSegment::reconstruct(std::size_t ordinal, std::span<float> out) const {
  const std::size_t half = frame()->half();
  frame()->decode(columns_.high.data() + ordinal * half, columns_.low.data() + ordinal * half,
                  columns_.fine_scale[ordinal], out);
}

std::size_t RabitqSegment::bytes() const {
  const Columns& c = columns_;
  return id_bytes() + c.bits.bytes() + c.high.bytes() + c.low.bytes() + c.add.bytes() + c.scan_scale.bytes() +
         c.scan_error.bytes() + c.fine_scale.bytes();
}

void RabitqSegment::save(SnapshotWriter& writer, std::string_view prefix) const {
  const std::string name(prefix);
  frame()->save(writer, prefix);
  writer.column(name + "bits", columns_.bits.span());
  writer.column(name + "high", columns_.high.span());
  writer.column(name + "low", columns_.low.span());
  writer.column(name + "add", columns_.add.span());
  writer.column(name + "scan_scale", columns_.scan_scale.span());
  writer.column(name + "scan_error", columns_.scan_error.span());
  writer.column(name + "fine_scale", columns_.fine_scale.span());
}

Result<std::shared_ptr<VectorSegment>> RabitqSegment::load_with(ScanBits bits, const SnapshotReader& reader,
                                                                std::string_view prefix, std::size_t dimensions,
                                                                std::vector<ChunkId> ids) {
  const std::string name(prefix);
  RAGTIME_TRY(const auto frame, CodeFrame::load(reader, prefix, dimensions));
  const std::size_t padded = padded_size(ids.size());
  Columns columns;
  RAGTIME_TRY(columns.bits,
              reader.keep<std::uint64_t>(name + "bits", bits == ScanBits::one ? padded * frame->words() : 0));
  RAGTIME_TRY(columns.high, reader.keep<std::uint8_t>(name + "high", padded * frame->half()));
  RAGTIME_TRY(columns.low, reader.keep<std::uint8_t>(name + "low", padded * frame->half()));
  RAGTIME_TRY(columns.add, reader.keep<float>(name + "add", padded));
  RAGTIME_TRY(columns.scan_scale, reader.keep<float>(name + "scan_scale", padded));
  RAGTIME_TRY(columns.scan_error, reader.keep<float>(name + "scan_error", padded));
  RAGTIME_TRY(columns.fine_scale, reader.keep<float>(name + "fine_scale", padded));
  return std::shared_ptr<VectorSegment>(new RabitqSegment(bits, std::move(ids), frame, std::move(columns)));
}

}  // namespace ragtime::index
