// Citation: a claim of an answer tied to a passage of a document. A value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ragtime::rag {

// All offsets are Unicode code points.
struct Citation {
  std::size_t index = 0;  // Where in the answer's text it attaches (the end of the cited words).
  std::string file_id;
  std::string filename;
  std::string store_id;
  std::int64_t chunk_id = 0;
  int page = 0;  // 1-based; 0 where the format has none.
  std::string heading_path;
  std::size_t begin = 0;  // The quoted range within the document's text.
  std::size_t end = 0;
  std::string quote;      // The document's text in that range.
  bool verified = false;  // The quote was found in the stored chunk and supports the cited words.
};

}  // namespace ragtime::rag
