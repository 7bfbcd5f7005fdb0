// The documents of a store as columns of a snapshot, so that a start need not read their rows.
//
// "change": the number of the database's last change of documents that they show. "documents": one fixed record for
// each. "text": file ids, filenames and attributes, one after the other. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "engine/document_table.h"
#include "index/snapshot.h"
#include "storage/records.h"

namespace ragtime::engine {

struct SavedDocuments {
  std::int64_t change = 0;
  std::vector<storage::DocumentChunks> documents;  // In the order of their chunks.
};

void save_documents(index::SnapshotWriter& writer, const DocumentTable& documents, std::int64_t change);
// Whatever the columns hold. Errors: corrupt.
Result<SavedDocuments> load_documents(const index::SnapshotReader& reader);

// What `saved` becomes by the changes since.
std::vector<storage::DocumentChunks> brought_up_to_date(SavedDocuments saved, storage::DocumentChanges changes);

}  // namespace ragtime::engine
