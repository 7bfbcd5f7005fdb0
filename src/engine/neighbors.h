// Neighbours: hits that grow by the chunks around them, so that an answer sees the context of what was found.
// Thread safety: the function may be called from any thread; it blocks on the database.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "storage/database.h"

namespace ragtime::engine {

// Extends each hit's chunk by up to `count` chunks on either side in its document: text, range, pages and tokens; it
// stays exactly the document's text between its offsets. The better hit goes first; growth ends at a chunk that is a
// hit itself or that another hit took, so that no chunk is in the results twice. A document that changed meanwhile
// leaves its hits as they are. Returns the number of chunks added. Relies on a document's chunks having consecutive
// ids; where they have not, nothing is added. Errors: those of the database but not_found.
Result<std::size_t> add_neighbors(storage::Database& database, std::size_t count, std::vector<SearchHit>& hits);

}  // namespace ragtime::engine
