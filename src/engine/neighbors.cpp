#include "engine/neighbors.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "text/chunker.h"
#include "text/utf8.h"

namespace ragtime::engine {
namespace {

using ChunksById = std::unordered_map<std::int64_t, storage::ChunkRecord>;

// The chunks around the hits that are not hits themselves.
Result<ChunksById> load_around(storage::Database& database, std::int64_t count, const std::vector<SearchHit>& hits) {
  std::vector<std::int64_t> ids;
  for (const auto& hit : hits) {
    for (std::int64_t step = -count; step <= count; ++step) {
      const std::int64_t id = hit.chunk_id + step;
      const bool is_hit =
          std::any_of(hits.begin(), hits.end(), [&](const SearchHit& other) { return other.chunk_id == id; });
      if (!is_hit) ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  RAGTIME_TRY(auto records, database.get_chunks(ids));
  ChunksById chunks;
  for (auto& record : records) chunks.emplace(record.id, std::move(record));
  return chunks;
}

bool is_neighbor(const SearchHit& hit, const storage::ChunkRecord& record, std::int64_t step) {
  return record.file_id == hit.file_id && record.store_id == hit.store_id &&
         record.chunk.ordinal == hit.chunk.ordinal + static_cast<int>(step);
}

class Texts {
 public:
  explicit Texts(storage::Database& database) : database_(database) {}

  // Nothing when the document is gone.
  Result<const std::string*> of(const SearchHit& hit) {
    const auto [place, fresh] = texts_.try_emplace({hit.store_id, hit.file_id});
    if (fresh) {
      auto text = database_.get_document_text(hit.store_id, hit.file_id);
      if (text.has_value()) {
        place->second = std::move(*text);
      } else if (text.error().code != ErrorCode::not_found) {
        return text.error();
      }
    }
    return place->second ? &*place->second : nullptr;
  }

 private:
  storage::Database& database_;
  std::map<std::pair<std::string, std::string>, std::optional<std::string>> texts_;
};

// How the hit's chunk looks with what it may take; nothing is taken yet.
text::Chunk grown(const SearchHit& hit, std::int64_t count, const ChunksById& chunks,
                  std::vector<std::int64_t>& taken) {
  text::Chunk chunk = hit.chunk;
  for (const std::int64_t direction : {-1, 1}) {
    for (std::int64_t step = direction; step != direction * (count + 1); step += direction) {
      const auto found = chunks.find(hit.chunk_id + step);
      if (found == chunks.end() || !is_neighbor(hit, found->second, step)) break;
      const text::Chunk& other = found->second.chunk;
      chunk.begin = std::min(chunk.begin, other.begin);
      chunk.end = std::max(chunk.end, other.end);
      chunk.page_first = std::min(chunk.page_first, other.page_first);
      chunk.page_last = std::max(chunk.page_last, other.page_last);
      taken.push_back(found->first);
    }
  }
  return chunk;
}

// Whether the document still reads as it did when the chunk was cut.
bool fill_text(text::Chunk& chunk, const SearchHit& hit, const std::string& document) {
  if (text::slice_code_points(document, hit.chunk.begin, hit.chunk.end) != hit.chunk.text) return false;
  chunk.text = text::slice_code_points(document, chunk.begin, chunk.end);
  chunk.tokens = text::count_tokens(chunk.text);
  return true;
}

}  // namespace

Result<std::size_t> add_neighbors(storage::Database& database, std::size_t count, std::vector<SearchHit>& hits) {
  const auto reach = static_cast<std::int64_t>(count);
  RAGTIME_TRY(auto chunks, load_around(database, reach, hits));
  Texts texts(database);
  std::size_t added = 0;
  for (auto& hit : hits) {
    std::vector<std::int64_t> taken;
    text::Chunk chunk = grown(hit, reach, chunks, taken);
    if (taken.empty()) continue;
    RAGTIME_TRY(const std::string* document, texts.of(hit));
    if (document == nullptr || !fill_text(chunk, hit, *document)) continue;
    hit.chunk = std::move(chunk);
    for (const auto id : taken) chunks.erase(id);
    added += taken.size();
  }
  return added;
}

}  // namespace ragtime::engine
