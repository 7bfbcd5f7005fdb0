// DocumentTable: the documents of a store at one moment: where their chunks are, and which a filter matches.
//
// Documents have slots, small integers that stay theirs. Entries lie in pages that tables share, so that the table
// after a change costs a page. The attribute index is of some earlier moment; the slots that changed since are judged
// one by one, and the index is built anew when they are many.
// Thread safety: a table is immutable. DocumentTableWriter belongs to one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/attributes.h"
#include "index/attribute_index.h"
#include "index/filter.h"
#include "index/selection.h"
#include "storage/records.h"

namespace ragtime::engine {

struct DocumentInfo {
  std::string file_id;
  std::string filename;
  Attributes attributes;
};

struct DocumentEntry {
  DocumentInfo info;
  storage::ChunkRange chunks;
  bool embedded = false;  // Some of the chunks have vectors.
};

using DocumentSlot = index::AttributeIndex::Slot;

// The selections of the filters that were asked last, each computed once, also when several ask at the same time.
class SelectionCache {
 public:
  using Pointer = std::shared_ptr<const index::Selection>;

  template <class Compute>
  Pointer get(const index::Filter& filter, const Compute& compute) {
    const auto entry = entry_for(filter);
    std::call_once(entry->once, [&] { entry->selection = compute(); });
    return entry->selection;
  }

 private:
  struct Entry {
    index::Filter filter;
    std::once_flag once;
    Pointer selection;
  };

  std::shared_ptr<Entry> entry_for(const index::Filter& filter);

  std::mutex mutex_;
  std::vector<std::shared_ptr<Entry>> entries_;  // Guarded by mutex_; the oldest first.
};

// Slots by file id, of the newest table, whose entries it shares. Thread safety: every member may be called from any
// thread.
class DocumentPlaces {
 public:
  std::optional<DocumentSlot> find(std::string_view file_id) const;
  void set(std::shared_ptr<const DocumentEntry> entry, DocumentSlot slot);
  void erase(std::string_view file_id);
  void reserve(std::size_t documents);

 private:
  struct Place {
    std::shared_ptr<const DocumentEntry> entry;  // Has the key's characters.
    DocumentSlot slot = 0;
  };

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string_view, Place> places_;
};

class DocumentTable {
 public:
  // Nothing when it is not in the table, or has left the store since.
  std::optional<DocumentInfo> document(std::string_view file_id) const;
  // Nothing as for document().
  std::optional<std::int64_t> first_chunk(std::string_view file_id) const;
  // The chunks of all documents that match. Repeated filters are answered from memory.
  std::shared_ptr<const index::Selection> select(const index::Filter& filter) const;

  // In no order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& page : pages_) {
      for (const auto& document : *page) {
        if (document) visit(*document);
      }
    }
  }

  std::size_t documents() const { return documents_; }
  std::size_t chunks() const { return chunks_; }

 private:
  friend class DocumentTableWriter;
  static constexpr std::size_t kPageSlots = 256;
  using Page = std::array<std::shared_ptr<const DocumentEntry>, kPageSlots>;

  const DocumentEntry* entry(DocumentSlot slot) const;
  index::Selection chunks_of(const Roaring& slots) const;
  index::Selection matching(const index::Filter& filter) const;

  std::vector<std::shared_ptr<const Page>> pages_;
  std::shared_ptr<const index::AttributeIndex> attributes_ = std::make_shared<index::AttributeIndex>();
  Roaring changed_;  // Slots since attributes_ was built.
  std::shared_ptr<DocumentPlaces> places_;
  std::size_t documents_ = 0;
  std::size_t chunks_ = 0;
  mutable SelectionCache cache_;
};

class DocumentTableWriter {
 public:
  DocumentTableWriter();

  // Returns the chunks of the former document of that file, if there was one.
  std::optional<storage::ChunkRange> put(DocumentEntry entry);
  // Returns its chunks.
  std::optional<storage::ChunkRange> remove(std::string_view file_id);
  const DocumentEntry* find(std::string_view file_id) const;
  std::size_t size() const { return documents_; }

  std::shared_ptr<const DocumentTable> table();

  // Both optional: room for so many, and what table() would do first when many have changed.
  void reserve(std::size_t documents) { places_->reserve(documents); }
  void index_attributes();

 private:
  DocumentSlot new_slot();
  void set(DocumentSlot slot, std::shared_ptr<const DocumentEntry> entry);

  std::vector<std::shared_ptr<DocumentTable::Page>> pages_;
  std::vector<bool> shared_;  // By page: it is part of a table and must be copied before a change.
  std::shared_ptr<const index::AttributeIndex> attributes_ = std::make_shared<index::AttributeIndex>();
  Roaring changed_;
  std::shared_ptr<DocumentPlaces> places_ = std::make_shared<DocumentPlaces>();
  std::vector<DocumentSlot> free_slots_;
  DocumentSlot slots_ = 0;
  std::size_t documents_ = 0;
  std::size_t chunks_ = 0;
};

}  // namespace ragtime::engine
