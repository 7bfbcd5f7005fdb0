#include "engine/store_snapshot.h"

#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include "engine/chunk_text.h"
#include "index/lexical_segment.h"
#include "index/snapshot.h"

namespace ragtime::engine {
namespace {

constexpr std::string_view kOriginColumn = "origin";

Error unavailable(const std::filesystem::path& path, const std::error_code& code) {
  return make_error(ErrorCode::unavailable, "cannot create '" + path.string() + "': " + code.message());
}

Result<void> create_private(const std::filesystem::path& directory) {
  std::error_code code;
  std::filesystem::create_directories(directory, code);
  if (code) return unavailable(directory, code);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all, code);
  if (code) return unavailable(directory, code);
  return {};
}

Result<void> check_origin(const index::SnapshotReader& reader, std::string_view wanted) {
  RAGTIME_TRY(const auto bytes, reader.column<char>(kOriginColumn));
  if (std::string_view(bytes.data(), bytes.size()) == wanted) return {};
  return make_error(ErrorCode::conflict, "made from something else");
}

Result<void> check_ids(std::span<const index::ChunkId> ids, std::int64_t newest) {
  if (ids.empty() || (ids.front() > 0 && ids.back() <= newest)) return {};
  return make_error(ErrorCode::conflict, "the database is older, as after restoring a copy of it");
}

template <class Write>
Result<void> write_file(const std::filesystem::path& file, const std::string& origin, const Write& write) {
  RAGTIME_TRY(const auto writer, index::SnapshotWriter::create(file));
  writer->column(kOriginColumn, std::span<const char>(origin.data(), origin.size()));
  write(*writer);
  return writer->finish();
}

// `load` makes what is in it out of a reader.
template <class Load>
std::invoke_result_t<Load, const index::SnapshotReader&> read_file(const std::filesystem::path& file,
                                                                   const std::string& origin, const Load& load) {
  RAGTIME_TRY(const auto reader, index::SnapshotReader::open(file));
  RAGTIME_TRY_DONE(check_origin(*reader, origin));
  return load(*reader);
}

template <class Index, class Load>
Result<Index> read_index(const std::filesystem::path& file, const std::string& origin, std::int64_t newest,
                         const Load& load) {
  Result<Index> loaded = read_file(file, origin, load);
  if (loaded.has_value()) RAGTIME_TRY_DONE(check_ids(loaded->base_ids(), newest));
  return loaded;
}

void discard(const std::filesystem::path& file, const Error& reason, const StoreSnapshot::Report& report) {
  report(file, reason);
  std::error_code ignored;
  if (reason.code != ErrorCode::unavailable) std::filesystem::remove(file, ignored);
}

template <class Index>
std::optional<Index> believed(Result<Index> loaded, const std::filesystem::path& file,
                              const StoreSnapshot::Report& report) {
  if (loaded.has_value()) return std::move(*loaded);
  if (loaded.error().code == ErrorCode::not_found) return std::nullopt;
  discard(file, loaded.error(), report);
  return std::nullopt;
}

}  // namespace

StoreSnapshot::StoreSnapshot(std::filesystem::path directory, std::string store_id)
    : directory_(std::move(directory)), store_id_(std::move(store_id)) {}

// What depends on the options of the ranking is made when it is loaded.
std::string StoreSnapshot::lexical_origin() const {
  return "store=" + store_id_ + "\nanalysis=" + analysis_fingerprint();
}

// Vectors are those of the rows, which never change under an id.
std::string StoreSnapshot::vector_origin(std::string_view model, std::size_t dimensions) const {
  return "store=" + store_id_ + "\nmodel=" + std::string(model) + "\ndimensions=" + std::to_string(dimensions);
}

Result<void> StoreSnapshot::create_directory() const {
  RAGTIME_TRY_DONE(create_private(directory_.parent_path()));
  return create_private(directory_);
}

Result<void> StoreSnapshot::save(const MergedBases& bases) const {
  RAGTIME_TRY_DONE(create_directory());
  if (bases.lexical) {
    RAGTIME_TRY_DONE(write_file(lexical_file(), lexical_origin(), [&](index::SnapshotWriter& writer) {
      index::LexicalIndex::save_base(writer, *bases.lexical);
    }));
  }
  if (!bases.vectors) return {};
  return write_file(vector_file(), vector_origin(bases.embedding_model, bases.dimensions),
                    [&](index::SnapshotWriter& writer) { index::VectorIndex::save_base(writer, bases.vectors.get()); });
}

std::string StoreSnapshot::recent_origin(std::string_view model, std::size_t dimensions) const {
  return vector_origin(model, dimensions) + "\nanalysis=" + analysis_fingerprint();
}

Result<void> StoreSnapshot::save_recent(const RecentChunks& recent) const {
  if (!recent.lexical) {
    std::error_code code;
    std::filesystem::remove(recent_file(), code);
    return {};
  }
  RAGTIME_TRY_DONE(create_directory());
  return write_file(recent_file(), recent_origin(recent.embedding_model, recent.dimensions),
                    [&](index::SnapshotWriter& writer) {
                      index::LexicalIndex::save_base(writer, *recent.lexical);
                      if (recent.vectors) index::VectorIndex::save_recent(writer, *recent.vectors);
                    });
}

Result<void> StoreSnapshot::save_documents(const DocumentTable& documents, std::int64_t change) const {
  RAGTIME_TRY_DONE(create_directory());
  return write_file(document_file(), document_origin(), [&](index::SnapshotWriter& writer) {
    engine::save_documents(writer, documents, change);
  });
}

std::optional<SavedDocuments> StoreSnapshot::load_documents(const Report& report) const {
  const auto load = [](const index::SnapshotReader& reader) { return engine::load_documents(reader); };
  return believed(read_file(document_file(), document_origin(), load), document_file(), report);
}

void StoreSnapshot::discard_documents(const Error& reason, const Report& report) const {
  discard(document_file(), reason, report);
}

std::optional<index::LexicalIndex> StoreSnapshot::load_lexical(const index::LexicalOptions& options,
                                                               std::int64_t newest_chunk_id,
                                                               const Report& report) const {
  const auto load = [&](const index::SnapshotReader& reader) { return index::LexicalIndex::load(reader, options); };
  const auto file = lexical_file();
  return believed(read_index<index::LexicalIndex>(file, lexical_origin(), newest_chunk_id, load), file, report);
}

std::optional<index::VectorIndex> StoreSnapshot::load_vectors(const std::string& model, std::size_t dimensions,
                                                              const index::VectorIndexOptions& options,
                                                              std::int64_t newest_chunk_id,
                                                              const Report& report) const {
  const auto load = [&](const index::SnapshotReader& reader) {
    return index::VectorIndex::load(reader, dimensions, options);
  };
  const auto file = vector_file();
  return believed(read_index<index::VectorIndex>(file, vector_origin(model, dimensions), newest_chunk_id, load), file,
                  report);
}

std::optional<SavedRecent> StoreSnapshot::load_recent(const std::string& model, std::size_t dimensions,
                                                      const index::LexicalOptions& options,
                                                      std::int64_t newest_chunk_id, const Report& report) const {
  const auto load = [&](const index::SnapshotReader& reader) -> Result<SavedRecent> {
    SavedRecent recent;
    RAGTIME_TRY(recent.lexical, index::LexicalIndex::load_segment(reader, options));
    RAGTIME_TRY_DONE(check_ids(recent.lexical->ids(), newest_chunk_id));
    if (dimensions == 0) return recent;
    RAGTIME_TRY(recent.vectors, index::VectorIndex::load_recent(reader, dimensions));
    RAGTIME_TRY_DONE(check_ids(recent.vectors.ids, newest_chunk_id));
    return recent;
  };
  return believed(read_file(recent_file(), recent_origin(model, dimensions), load), recent_file(), report);
}

void StoreSnapshot::remove() const {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace ragtime::engine
