#include <algorithm>
#include <limits>
#include <string>

#include "index/list_segment.h"
#include "index/product_kernels.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

Error corrupt(const std::string& what) {
  return make_error(ErrorCode::corrupt, "The vector index's lists are damaged: " + what);
}

template <class T>
Result<std::vector<T>> read_vector(const SnapshotReader& reader, const std::string& name, std::size_t size) {
  RAGTIME_TRY(const auto values, reader.column<T>(name));
  if (values.size() != size) return corrupt("column " + name + " does not fit.");
  return std::vector<T>(values.begin(), values.end());
}

}  // namespace

void ListSegment::save(SnapshotWriter& writer, std::string_view prefix) const {
  const std::string name(prefix);
  std::vector<std::uint32_t> ordinals;  // One list behind the other, without gaps.
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    const auto in_list = columns_.ordinals.span().subspan(lists_.begins[list], lists_.sizes[list]);
    ordinals.insert(ordinals.end(), in_list.begin(), in_list.end());
  }
  frame_->save(writer, prefix);
  if (quantizer_ != nullptr) quantizer_->save(writer, prefix);
  writer.column(name + "mean_square", std::span<const double>(&mean_square_, 1));
  writer.column(name + "deviation", std::span<const double>(&deviation_, 1));
  writer.column(name + "sizes", std::span<const std::uint32_t>(lists_.sizes));
  writer.column(name + "centroids", std::span<const float>(lists_.centroids));
  writer.column(name + "spreads", std::span<const float>(lists_.spreads));
  writer.column(name + "radii", std::span<const float>(lists_.radii));
  writer.column(name + "steps", reach_steps_.values());
  writer.column(name + "ordinals", std::span<const std::uint32_t>(ordinals));
  writer.column(name + "bits", columns_.bits.span());
  writer.column(name + "product_codes", columns_.products.span());
  writer.column(name + "scan_scale", columns_.scan_scale.span());
  writer.column(name + "scan_error", columns_.scan_error.span());
  if (!scans_bits()) {
    writer.column(name + "fine", columns_.fine.span());
    return release_file_pages();
  }
  writer.column(name + "high", columns_.high.span());
  writer.column(name + "low", columns_.low.span());
  writer.column(name + "fine_scale", columns_.fine_scale.span());
}

Result<void> ListSegment::load_lists(const SnapshotReader& reader, const std::string& name) {
  RAGTIME_TRY(const auto sizes, reader.column<std::uint32_t>(name + "sizes"));
  RAGTIME_TRY(const auto scales, reader.column<float>(name + "scan_scale"));
  std::uint64_t vectors = 0;
  std::uint64_t slots = 0;
  for (const std::uint32_t list : sizes) {
    vectors += list;
    slots += (std::uint64_t{list} + kCodeBlock - 1) / kCodeBlock * kCodeBlock;
  }
  // The codes are there for as many slots, so that columns of this size are no surprise to the memory.
  if (vectors != size() || sizes.empty() || slots > std::numeric_limits<std::uint32_t>::max() ||
      slots != scales.size()) {
    return corrupt("their sizes.");
  }
  lists_.sizes.assign(sizes.begin(), sizes.end());
  RAGTIME_TRY(lists_.centroids, read_vector<float>(reader, name + "centroids", sizes.size() * dimensions()));
  RAGTIME_TRY(lists_.spreads, read_vector<float>(reader, name + "spreads", sizes.size()));
  RAGTIME_TRY(lists_.radii, read_vector<float>(reader, name + "radii", sizes.size()));
  RAGTIME_TRY(const auto steps, reader.column<float>(name + "steps"));
  const auto restored = ReachSteps::restore(steps);
  if (!restored) return corrupt("column steps does not fit.");
  reach_steps_ = *restored;
  return {};
}

Result<void> ListSegment::load_places(const SnapshotReader& reader, const std::string& name) {
  RAGTIME_TRY(const auto ordinals, reader.column<std::uint32_t>(name + "ordinals"));
  if (ordinals.size() != size()) return corrupt("column ordinals does not fit.");
  std::vector<bool> seen(size());
  std::size_t at = 0;
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    for (std::size_t i = 0; i < lists_.sizes[list]; ++i, ++at) {
      if (ordinals[at] >= size() || seen[ordinals[at]]) return corrupt("a vector is in them twice or does not exist.");
      seen[ordinals[at]] = true;
      place(lists_.begins[list] + i, ordinals[at]);
    }
  }
  return {};
}

Result<void> ListSegment::load_codes(const SnapshotReader& reader, const std::string& name) {
  const std::size_t slots = columns_.ordinals.size();
  RAGTIME_TRY(columns_.bits, reader.keep<std::uint64_t>(name + "bits", slots * bit_words()));
  RAGTIME_TRY(columns_.products, reader.keep<std::uint8_t>(name + "product_codes", slots * product_bytes()));
  RAGTIME_TRY(columns_.scan_scale, reader.keep<float>(name + "scan_scale", slots));
  RAGTIME_TRY(columns_.scan_error, reader.keep<float>(name + "scan_error", slots));
  if (!scans_bits()) {
    RAGTIME_TRY(columns_.fine, reader.keep<std::uint8_t>(name + "fine", size() * fine_stride()));
    fine_in_file_ = reader.is_file();
    release_file_pages();
    return {};
  }
  RAGTIME_TRY(columns_.high, reader.keep<std::uint8_t>(name + "high", slots * frame_->half()));
  RAGTIME_TRY(columns_.low, reader.keep<std::uint8_t>(name + "low", slots * frame_->half()));
  RAGTIME_TRY(columns_.fine_scale, reader.keep<float>(name + "fine_scale", slots));
  return {};
}

Result<std::shared_ptr<VectorSegment>> ListSegment::load_kind(VectorKind kind, const SnapshotReader& reader,
                                                              std::string_view prefix, std::size_t dimensions,
                                                              std::vector<ChunkId> ids) {
  const std::string name(prefix);
  RAGTIME_TRY(auto frame, CodeFrame::load(reader, prefix, dimensions));
  std::shared_ptr<const ProductQuantizer> quantizer;
  if (kind != VectorKind::ivf) {
    RAGTIME_TRY(quantizer, ProductQuantizer::load(reader, prefix, dimensions));
  }
  RAGTIME_TRY(const auto mean_square, read_vector<double>(reader, name + "mean_square", 1));
  RAGTIME_TRY(const auto deviation, read_vector<double>(reader, name + "deviation", 1));
  std::shared_ptr<ListSegment> segment(new ListSegment(kind, std::move(ids), frame, quantizer));
  segment->mean_square_ = mean_square[0];
  segment->deviation_ = deviation[0];
  RAGTIME_TRY_DONE(segment->load_lists(reader, name));
  segment->lay_out();
  RAGTIME_TRY_DONE(segment->load_places(reader, name));
  RAGTIME_TRY_DONE(segment->load_codes(reader, name));
  return std::shared_ptr<VectorSegment>(segment);
}

}  // namespace ragtime::index
