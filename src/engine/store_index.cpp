#include "engine/store_index.h"

#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/check.h"

namespace ragtime::engine {

void StoreIndex::set_embedding(const std::string& model, std::size_t dimensions) {
  std::unique_lock lock(mutex_);
  const bool same = model == embedding_model_ && vectors_ && vectors_->dimensions() == dimensions;
  if (same) return;
  embedding_model_ = model;
  vectors_.emplace(dimensions);
  for (auto& [id, place] : chunks_) place.embedded = false;
}

std::string StoreIndex::embedding_model() const {
  std::shared_lock lock(mutex_);
  return embedding_model_;
}

bool StoreIndex::has_vectors_of(std::string_view model, std::size_t dimensions) const {
  std::shared_lock lock(mutex_);
  return embedding_model_ == model && vectors_ && vectors_->dimensions() == dimensions && vectors_->size() > 0;
}

void StoreIndex::replace(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks,
                         std::string_view replaced_file_id) {
  std::unique_lock lock(mutex_);
  if (!replaced_file_id.empty()) remove_locked(replaced_file_id);
  remove_locked(document.file_id);
  add_locked(document, chunks);
}

void StoreIndex::add(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks) {
  std::unique_lock lock(mutex_);
  add_locked(document, chunks);
}

void StoreIndex::remove(std::string_view file_id) {
  std::unique_lock lock(mutex_);
  remove_locked(file_id);
}

void StoreIndex::set_attributes(std::string_view file_id, const Attributes& attributes) {
  std::unique_lock lock(mutex_);
  const auto found = places_.find(std::string(file_id));
  if (found != places_.end()) documents_[found->second].info.attributes = attributes;
}

std::size_t StoreIndex::place_of(const DocumentInfo& info) {
  const auto [found, fresh] = places_.try_emplace(info.file_id, documents_.size());
  if (!fresh) return found->second;
  if (free_places_.empty()) {
    documents_.emplace_back();
  } else {
    found->second = free_places_.back();
    free_places_.pop_back();
  }
  documents_[found->second].info = info;
  return found->second;
}

void StoreIndex::add_locked(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks) {
  if (chunks.empty()) return;
  const std::size_t place = place_of(document);
  for (const auto& chunk : chunks) {
    const bool embedded = !chunk.embedding.empty();
    RAGTIME_CHECK(!embedded || (vectors_ && vectors_->dimensions() == chunk.embedding.size()));
    lexical_.add(chunk.id, chunk.terms);
    if (embedded) vectors_->add(chunk.id, chunk.embedding);
    chunks_[chunk.id] = ChunkPlace{place, embedded};
    documents_[place].chunks.push_back(chunk.id);
  }
}

void StoreIndex::remove_locked(std::string_view file_id) {
  const auto found = places_.find(std::string(file_id));
  if (found == places_.end()) return;
  const Document document = std::exchange(documents_[found->second], Document());
  for (const auto id : document.chunks) {
    lexical_.remove(id);
    if (vectors_) vectors_->remove(id);
    chunks_.erase(id);
  }
  free_places_.push_back(found->second);
  places_.erase(found);
}

// Every document is judged once per search, however many chunks of it come by.
index::Accept StoreIndex::accept(const std::optional<index::Filter>& filter) const {
  if (!filter) return {};
  enum class Verdict : char { unknown, yes, no };
  std::vector<Verdict> verdicts(documents_.size(), Verdict::unknown);
  return [this, &filter, verdicts = std::move(verdicts)](index::ChunkId id) mutable {
    const auto found = chunks_.find(id);
    if (found == chunks_.end()) return false;
    const std::size_t document = found->second.document;
    Verdict& verdict = verdicts[document];
    if (verdict == Verdict::unknown) {
      verdict = filter->matches(documents_[document].info.attributes) ? Verdict::yes : Verdict::no;
    }
    return verdict == Verdict::yes;
  };
}

std::vector<index::Hit> StoreIndex::search_lexical(const std::vector<std::string>& terms, std::size_t k,
                                                   const std::optional<index::Filter>& filter) const {
  std::shared_lock lock(mutex_);
  return lexical_.search(terms, k, accept(filter));
}

std::vector<index::Hit> StoreIndex::search_dense(std::span<const float> query, std::size_t k,
                                                 const std::optional<index::Filter>& filter) const {
  std::shared_lock lock(mutex_);
  if (!vectors_ || vectors_->dimensions() != query.size()) return {};
  return vectors_->search(query, k, accept(filter));
}

std::vector<std::optional<float>> StoreIndex::dense_scores(std::span<const float> query,
                                                           const std::vector<index::ChunkId>& ids) const {
  std::shared_lock lock(mutex_);
  std::vector<std::optional<float>> scores(ids.size());
  if (!vectors_ || vectors_->dimensions() != query.size()) return scores;
  const std::vector<float> products = vectors_->scores(query, ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found = chunks_.find(ids[i]);
    if (found != chunks_.end() && found->second.embedded) scores[i] = products[i];
  }
  return scores;
}

std::optional<DocumentInfo> StoreIndex::document(std::string_view file_id) const {
  std::shared_lock lock(mutex_);
  const auto found = places_.find(std::string(file_id));
  if (found == places_.end()) return std::nullopt;
  return documents_[found->second].info;
}

std::size_t StoreIndex::chunks() const {
  std::shared_lock lock(mutex_);
  return chunks_.size();
}

std::size_t StoreIndex::vectors() const {
  std::shared_lock lock(mutex_);
  return vectors_ ? vectors_->size() : 0;
}

}  // namespace ragtime::engine
