// The rows of the database as plain structs. Times are Unix seconds; ids are opaque strings made by base/id.h.
//
// Every row belongs to a tenant, directly or through its store or file; every lookup names the tenant, so that another
// tenant's id is simply not found.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/attributes.h"
#include "text/document.h"

namespace ragtime::storage {

using Metadata = std::map<std::string, std::string>;

struct FileRecord {
  std::string id;  // "file-…"
  std::string tenant;
  std::string filename;
  std::string purpose;
  std::string sha256;  // Content address in the blob store.
  std::int64_t bytes = 0;
  std::int64_t created_at = 0;
  std::optional<std::int64_t> expires_at;
};

struct FileCounts {
  std::int64_t in_progress = 0;
  std::int64_t completed = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
  std::int64_t total() const { return in_progress + completed + failed + cancelled; }
};

// How a store ranks by words (BM25); nothing: as configured.
struct RankingSettings {
  std::optional<double> k1{};
  std::optional<double> b{};
  std::optional<double> heading_weight{};

  bool operator==(const RankingSettings&) const = default;
};

struct VectorStoreRecord {
  std::string id;  // "vs_…"
  std::string tenant;
  std::string name;
  std::string description;
  Metadata metadata;
  std::int64_t created_at = 0;
  std::int64_t last_active_at = 0;
  std::optional<std::int64_t> expires_after_days;
  std::string embedding_model;  // Of the vectors in it; empty: lexical only. Set when the first chunk arrives.
  std::int64_t embedding_dimensions = 0;
  RankingSettings ranking{};
  // Derived when read; ignored when written.
  FileCounts file_counts;
  std::int64_t usage_bytes = 0;
};

enum class DocumentStatus { in_progress = 0, completed = 1, failed = 2, cancelled = 3 };  // Stored: do not renumber.

// A file in a vector store ("vector_store.file").
struct DocumentRecord {
  std::string store_id;
  std::string file_id;
  DocumentStatus status = DocumentStatus::in_progress;
  std::string error_code;  // OpenAI's last_error.code: server_error, unsupported_file, invalid_file; empty when none.
  std::string error_message;
  Attributes attributes;
  std::string path;      // Where `ragtime ingest` found it, unique within the store; empty for API uploads.
  std::string batch_id;  // "vsfb_…" or empty.
  int chunk_size = 0;    // Tokens; 0 = the configured default ("auto").
  int chunk_overlap = 0;
  std::int64_t created_at = 0;
  std::int64_t usage_bytes = 0;  // Text and vectors of its chunks.
  std::int64_t chunk_count = 0;
  // Derived when read; ignored when written.
  bool embedded = false;  // Some of its chunks have vectors.
  std::string filename;
  std::string sha256;
  std::string title;  // Of the parsed text; written by commit_document, empty before.
};

struct ChunkRecord {
  std::int64_t id = 0;  // Assigned by the database, from 1; never reused. Those of a document follow each other.
  std::string store_id;
  std::string file_id;
  text::Chunk chunk;
  std::vector<float> embedding;  // Empty: not embedded.
};

// Ids of chunks, both ends included.
struct ChunkRange {
  std::int64_t first = 1;
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
};

// What an index needs to know of a document beside its chunks' contents.
struct DocumentChunks {
  std::string file_id;
  std::string filename;
  Attributes attributes;
  ChunkRange chunks;
  bool embedded = false;  // Some of the chunks have vectors.
};

// What has happened to the documents of a store since a change of them.
struct DocumentChanges {
  std::int64_t newest = 0;              // The number of the last change that is in here, or of a later one.
  std::vector<DocumentChunks> present;  // Those that changed, as they are now, in the order of their chunks.
  std::vector<std::string> absent;      // File ids that changed and are not completed documents with chunks now.
};

// What a key may do at most; nothing: as configured, 0: no limit.
struct KeyLimits {
  std::optional<std::int64_t> requests_per_minute{};
  std::optional<std::int64_t> tokens_per_minute{};
  std::optional<std::int64_t> streams{};  // At a time.
  std::optional<std::int64_t> concurrent_requests{};
  std::string priority{};  // "low", "normal", "high"; empty: normal.
};

struct ApiKeyRecord {
  std::string id;  // "key_…"
  std::string name;
  std::string tenant;
  std::string hash;                 // SHA-256 of the key, which has 238 bits: no salt needed.
  std::string prefix;               // The first characters, to recognise it by.
  std::vector<std::string> scopes;  // "read", "write", "admin".
  KeyLimits limits{};
  std::int64_t created_at = 0;
  std::optional<std::int64_t> revoked_at;
};

struct BatchRecord {
  std::string id;  // "vsfb_…"
  std::string store_id;
  std::int64_t created_at = 0;
  bool cancelled = false;
  FileCounts file_counts;  // Derived when read.
};

// A stored answer (`store: true`), kept as the API made it.
struct ResponseRecord {
  std::string id;  // "resp_…"
  std::string tenant;
  std::int64_t created_at = 0;
  std::string body;         // The response object as JSON text, opaque here.
  std::string input_items;  // The input as a JSON array, opaque here.
};

// A vector that was computed once and need not be again. What the key covers is the caller's to decide.
struct CachedEmbedding {
  std::string key;
  std::vector<float> vector;
};

// What one piece of work did with the embedding cache, written in one go.
struct EmbeddingUse {
  std::vector<CachedEmbedding> fresh;  // To keep from now on.
  std::vector<std::string> found;      // Keys that were looked up with success: used just now.
  std::int64_t rows_max = 500'000;     // Of the whole cache afterwards; what was not used for longest goes first.
  std::int64_t bytes_max = 1ll << 30;  // Of all vectors.
};

// Cursor page in OpenAI's sense: sorted by (created_at, insertion), `after`/`before` are ids.
struct PageRequest {
  std::string after;
  std::string before;
  int limit = 20;
  bool ascending = false;
};

template <class T>
struct Page {
  std::vector<T> items;
  bool has_more = false;
};

}  // namespace ragtime::storage
