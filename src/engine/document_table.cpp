#include "engine/document_table.h"

#include <algorithm>
#include <utility>

namespace ragtime::engine {
namespace {

constexpr std::size_t kCachedSelections = 16;
// Changed documents are judged one by one: up to one in so many, which costs less than the search behind the filter.
constexpr std::size_t kChangedShare = 16;
constexpr std::size_t kChangedLeast = 256;

std::size_t size_of(const storage::ChunkRange& range) {
  return static_cast<std::size_t>(range.last - range.first + 1);
}

}  // namespace

std::shared_ptr<SelectionCache::Entry> SelectionCache::entry_for(const index::Filter& filter) {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->filter == filter) return entry;
  }
  if (entries_.size() == kCachedSelections) entries_.erase(entries_.begin());
  auto entry = std::make_shared<Entry>();
  entry->filter = filter;
  entries_.push_back(entry);
  return entry;
}

std::optional<DocumentSlot> DocumentPlaces::find(std::string_view file_id) const {
  const std::shared_lock lock(mutex_);
  const auto found = places_.find(file_id);
  if (found == places_.end()) return std::nullopt;
  return found->second.slot;
}

void DocumentPlaces::set(std::shared_ptr<const DocumentEntry> entry, DocumentSlot slot) {
  const std::string_view file_id = entry->info.file_id;
  const std::unique_lock lock(mutex_);
  const auto [place, is_new] = places_.try_emplace(file_id, Place{entry, slot});
  if (is_new) return;
  auto known = places_.extract(place);
  known.key() = file_id;
  known.mapped() = {std::move(entry), slot};
  places_.insert(std::move(known));
}

void DocumentPlaces::erase(std::string_view file_id) {
  const std::unique_lock lock(mutex_);
  places_.erase(file_id);
}

void DocumentPlaces::reserve(std::size_t documents) {
  const std::unique_lock lock(mutex_);
  places_.reserve(documents);
}

const DocumentEntry* DocumentTable::entry(DocumentSlot slot) const {
  const std::size_t page = slot / kPageSlots;
  return page < pages_.size() ? (*pages_[page])[slot % kPageSlots].get() : nullptr;
}

std::optional<DocumentInfo> DocumentTable::document(std::string_view file_id) const {
  const auto slot = places_->find(file_id);
  const auto* found = slot ? entry(*slot) : nullptr;
  // The slot may have been another document's at this table's moment.
  if (found == nullptr || found->info.file_id != file_id) return std::nullopt;
  return found->info;
}

std::optional<std::int64_t> DocumentTable::first_chunk(std::string_view file_id) const {
  const auto slot = places_->find(file_id);
  const auto* found = slot ? entry(*slot) : nullptr;
  if (found == nullptr || found->info.file_id != file_id) return std::nullopt;
  return found->chunks.first;
}

std::shared_ptr<const index::Selection> DocumentTable::select(const index::Filter& filter) const {
  return cache_.get(filter, [&] { return std::make_shared<const index::Selection>(matching(filter)); });
}

index::Selection DocumentTable::matching(const index::Filter& filter) const {
  Roaring slots = attributes_->select(filter) - changed_;
  for (const DocumentSlot slot : changed_) {
    const auto* changed = entry(slot);
    if (changed != nullptr && filter.matches(changed->info.attributes)) slots.add(slot);
  }
  return chunks_of(slots);
}

index::Selection DocumentTable::chunks_of(const Roaring& slots) const {
  std::vector<storage::ChunkRange> ranges;
  ranges.reserve(slots.cardinality());
  for (const DocumentSlot slot : slots) ranges.push_back(entry(slot)->chunks);
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  index::Selection selection;
  for (std::size_t i = 0; i < ranges.size();) {
    const std::size_t begin = i++;
    while (i < ranges.size() && ranges[i].first == ranges[i - 1].last + 1) ++i;
    selection.add_range(ranges[begin].first, ranges[i - 1].last);
  }
  return selection;
}

DocumentTableWriter::DocumentTableWriter() = default;

std::optional<storage::ChunkRange> DocumentTableWriter::put(DocumentEntry entry) {
  const auto known = places_->find(entry.info.file_id);
  const DocumentSlot slot = known ? *known : new_slot();
  std::optional<storage::ChunkRange> former;
  if (known) former = find(entry.info.file_id)->chunks;
  auto shared = std::make_shared<const DocumentEntry>(std::move(entry));
  places_->set(shared, slot);
  documents_ += known ? 0 : 1;
  chunks_ += size_of(shared->chunks) - (former ? size_of(*former) : 0);
  set(slot, std::move(shared));
  return former;
}

std::optional<storage::ChunkRange> DocumentTableWriter::remove(std::string_view file_id) {
  const auto slot = places_->find(file_id);
  if (!slot) return std::nullopt;
  const storage::ChunkRange chunks = find(file_id)->chunks;
  places_->erase(file_id);
  set(*slot, nullptr);
  free_slots_.push_back(*slot);
  --documents_;
  chunks_ -= size_of(chunks);
  return chunks;
}

const DocumentEntry* DocumentTableWriter::find(std::string_view file_id) const {
  const auto slot = places_->find(file_id);
  if (!slot) return nullptr;
  return (*pages_[*slot / DocumentTable::kPageSlots])[*slot % DocumentTable::kPageSlots].get();
}

DocumentSlot DocumentTableWriter::new_slot() {
  if (free_slots_.empty()) return slots_++;
  const DocumentSlot slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void DocumentTableWriter::set(DocumentSlot slot, std::shared_ptr<const DocumentEntry> entry) {
  const std::size_t page = slot / DocumentTable::kPageSlots;
  if (page >= pages_.size()) {
    pages_.push_back(std::make_shared<DocumentTable::Page>());
    shared_.push_back(false);
  } else if (shared_[page]) {
    pages_[page] = std::make_shared<DocumentTable::Page>(*pages_[page]);
    shared_[page] = false;
  }
  (*pages_[page])[slot % DocumentTable::kPageSlots] = std::move(entry);
  changed_.add(slot);
}

void DocumentTableWriter::index_attributes() {
  if (changed_.cardinality() <= std::max(kChangedLeast, documents_ / kChangedShare)) return;
  std::vector<index::AttributeIndex::Entry> entries;
  entries.reserve(documents_);
  for (DocumentSlot slot = 0; slot < slots_; ++slot) {
    const auto& entry = (*pages_[slot / DocumentTable::kPageSlots])[slot % DocumentTable::kPageSlots];
    if (entry) entries.push_back({slot, &entry->info.attributes});
  }
  attributes_ = std::make_shared<const index::AttributeIndex>(entries);
  changed_ = Roaring();
}

std::shared_ptr<const DocumentTable> DocumentTableWriter::table() {
  index_attributes();
  auto table = std::make_shared<DocumentTable>();
  table->pages_.assign(pages_.begin(), pages_.end());
  shared_.assign(pages_.size(), true);
  table->attributes_ = attributes_;
  table->changed_ = changed_;
  table->places_ = places_;
  table->documents_ = documents_;
  table->chunks_ = chunks_;
  return table;
}

}  // namespace ragtime::engine
