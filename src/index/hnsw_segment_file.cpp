// Saving and loading of HnswSegment. Loading checks every link: none may lead out of the graph.

#include <algorithm>
#include <string>

#include "index/hnsw_segment.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

std::string level_name(std::string_view prefix, std::size_t level, std::string_view part) {
  return std::string(prefix) + "level" + std::to_string(level) + "." + std::string(part);
}

bool links_are_valid(const GraphLayer& layer, std::size_t nodes) {
  for (std::uint32_t node = 0; node < nodes; ++node) {
    if (layer.links[node * layer.stride] >= layer.stride) return false;
    for (const std::uint32_t link : layer.of(node)) {
      if (link >= nodes) return false;
    }
  }
  return true;
}

bool all_below(std::span<const std::uint32_t> values, std::size_t limit) {
  return std::all_of(values.begin(), values.end(), [&](std::uint32_t value) { return value < limit; });
}

Error damaged(std::string_view what) {
  return make_error(ErrorCode::corrupt, "The vector index's graph is damaged: " + std::string(what) + ".");
}

Result<HnswLevel> load_level(const SnapshotReader& reader, std::string_view prefix, std::size_t level,
                             std::size_t vectors, std::size_t nodes_below) {
  RAGTIME_TRY(const auto ordinals, reader.column<std::uint32_t>(level_name(prefix, level, "ordinals")));
  RAGTIME_TRY(const auto below, reader.column<std::uint32_t>(level_name(prefix, level, "below")));
  RAGTIME_TRY(const auto links, reader.column<std::uint32_t>(level_name(prefix, level, "links")));
  const std::size_t nodes = ordinals.size();
  if (nodes == 0 || below.size() != nodes || links.size() % nodes != 0 || links.size() < 2 * nodes) {
    return damaged("columns of a level do not fit each other");
  }
  HnswLevel loaded{{ordinals.begin(), ordinals.end()},
                   {below.begin(), below.end()},
                   {links.begin(), links.end()},
                   links.size() / nodes};
  if (!all_below(ordinals, vectors) || !all_below(below, nodes_below) || !links_are_valid(loaded.layer(), nodes)) {
    return damaged("links of a level lead nowhere");
  }
  return loaded;
}

}  // namespace

void HnswSegment::save(SnapshotWriter& writer, std::string_view prefix) const {
  const std::string name(prefix);
  frame()->save(writer, prefix);
  writer.column(name + "heads", nodes_.columns().heads.span());
  writer.column(name + "high", nodes_.columns().high.span());
  writer.column(name + "low", nodes_.columns().low.span());
  writer.column(name + "links", nodes_.columns().links.span());
  cells_.save(writer, prefix);
  writer.column(name + "twins", std::span<const Twin>(twins_));
  const std::uint64_t levels = levels_.size();
  writer.column(name + "levels", std::span<const std::uint64_t>(&levels, 1));
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    writer.column(level_name(prefix, i, "ordinals"), std::span<const std::uint32_t>(levels_[i].ordinals));
    writer.column(level_name(prefix, i, "below"), std::span<const std::uint32_t>(levels_[i].below));
    writer.column(level_name(prefix, i, "links"), std::span<const std::uint32_t>(levels_[i].links));
  }
}

Result<std::shared_ptr<VectorSegment>> HnswSegment::load(const SnapshotReader& reader, std::string_view prefix,
                                                         std::size_t dimensions, std::vector<ChunkId> ids) {
  constexpr std::uint64_t kLevelsMost = 64;
  const std::string name(prefix);
  RAGTIME_TRY(const auto frame, CodeFrame::load(reader, prefix, dimensions));
  RAGTIME_TRY(const auto twins, reader.column<Twin>(name + "twins"));
  RAGTIME_TRY(const auto level_count, reader.column<std::uint64_t>(name + "levels"));
  if (ids.size() >= CandidatePool::kNodesMost) return damaged("number of vectors");
  const std::size_t size = ids.size();
  const std::size_t half = frame->half();
  HnswNodes::Columns columns;
  RAGTIME_TRY(columns.heads, reader.keep<std::uint8_t>(name + "heads", size * HnswNodes::head_size(half)));
  RAGTIME_TRY(columns.high, reader.keep<std::uint8_t>(name + "high", size * half));
  RAGTIME_TRY(columns.low, reader.keep<std::uint8_t>(name + "low", size * half));
  RAGTIME_TRY(columns.links, reader.keep<std::uint32_t>(name + "links", size * (HnswNodes::kLinksMost + 1)));
  HnswNodes nodes(size, half, std::move(columns));
  if (!links_are_valid(nodes.layer(), ids.size())) return damaged("links lead nowhere");
  const auto is_inside = [&](const Twin& twin) { return twin.first < ids.size() && twin.ordinal < ids.size(); };
  if (!std::all_of(twins.begin(), twins.end(), is_inside)) return damaged("equal vectors that are not there");
  if (level_count.size() != 1 || level_count[0] > kLevelsMost) return damaged("number of levels");
  std::vector<HnswLevel> levels;
  for (std::size_t i = 0; i < level_count[0]; ++i) {
    RAGTIME_TRY(auto level,
                load_level(reader, prefix, i, ids.size(), i == 0 ? ids.size() : levels[i - 1].ordinals.size()));
    levels.push_back(std::move(level));
  }
  if (levels.empty() && !ids.empty()) return damaged("no way into it");
  RAGTIME_TRY(auto cells, VectorCells::load(reader, prefix, size, half));
  std::shared_ptr<HnswSegment> segment(new HnswSegment(std::move(ids), frame, std::move(nodes), std::move(levels),
                                                       std::vector<Twin>(twins.begin(), twins.end())));
  segment->cells_ = std::move(cells);
  return segment;
}

}  // namespace ragtime::index
