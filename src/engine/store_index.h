// StoreIndex: the indexes of one vector store in memory: postings, vectors, and which document each chunk is of.
//
// A change is seen by readers whole or not at all. Ids of chunks come from the database and are unique among stores.
// Thread safety: every member may be called from any thread; readers run together, a change runs alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/attributes.h"
#include "engine/fair_shared_mutex.h"
#include "index/filter.h"
#include "index/flat_vector_index.h"
#include "index/lexical_index.h"

namespace ragtime::engine {

struct IndexedChunk {
  index::ChunkId id = 0;
  std::vector<std::string> terms;
  std::vector<float> embedding;  // Normalised; empty when the chunk is not embedded.
};

struct DocumentInfo {
  std::string file_id;
  std::string filename;
  Attributes attributes;
};

class StoreIndex {
 public:
  StoreIndex(std::string id, std::string tenant) : id_(std::move(id)), tenant_(std::move(tenant)) {}

  const std::string& id() const { return id_; }
  const std::string& tenant() const { return tenant_; }

  // The model of the vectors. Changing it drops all vectors: the database allows that only when there are none.
  void set_embedding(const std::string& model, std::size_t dimensions);
  std::string embedding_model() const;
  bool has_vectors_of(std::string_view model, std::size_t dimensions) const;

  // Removes the chunks of the document, and of the one that it replaces if any, then adds these.
  void replace(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks,
               std::string_view replaced_file_id);
  // Adds chunks to a document, which becomes known with the first.
  void add(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks);
  void remove(std::string_view file_id);
  void set_attributes(std::string_view file_id, const Attributes& attributes);

  std::vector<index::Hit> search_lexical(const std::vector<std::string>& terms, std::size_t k,
                                         const std::optional<index::Filter>& filter) const;
  // Precondition: the query's vector is of the store's model.
  std::vector<index::Hit> search_dense(std::span<const float> query, std::size_t k,
                                       const std::optional<index::Filter>& filter) const;
  // The cosine of each chunk; nothing for chunks without a vector.
  std::vector<std::optional<float>> dense_scores(std::span<const float> query,
                                                 const std::vector<index::ChunkId>& ids) const;
  std::optional<DocumentInfo> document(std::string_view file_id) const;

  std::size_t chunks() const;
  std::size_t vectors() const;

 private:
  struct Document {
    DocumentInfo info;
    std::vector<index::ChunkId> chunks;
  };
  struct ChunkPlace {
    std::size_t document = 0;  // Into documents_.
    bool embedded = false;
  };

  std::size_t place_of(const DocumentInfo& info);
  void add_locked(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks);
  void remove_locked(std::string_view file_id);
  index::Accept accept(const std::optional<index::Filter>& filter) const;

  const std::string id_;
  const std::string tenant_;
  mutable FairSharedMutex mutex_;  // Guards everything below.
  std::string embedding_model_;
  index::LexicalIndex lexical_;
  std::optional<index::FlatVectorIndex> vectors_;
  std::vector<Document> documents_;
  std::vector<std::size_t> free_places_;
  std::unordered_map<std::string, std::size_t> places_;  // By file id.
  std::unordered_map<index::ChunkId, ChunkPlace> chunks_;
};

}  // namespace ragtime::engine
