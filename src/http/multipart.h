// multipart/form-data: an incremental parser (RFC 7578). Sans I/O, so that a large upload never lies in memory.
//
// Thread safety: a parser belongs to one request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::http {

class MultipartParser {
 public:
  struct Event {
    enum class Kind { part_begin, part_data, part_end, end } kind;
    // part_begin: the part's field name, file name and type (empty when not given); part_data: bytes.
    std::string name;
    std::string filename;
    std::string content_type;
    std::string data;
  };

  // Errors: invalid_argument when the Content-Type is not multipart/form-data with a boundary.
  static Result<MultipartParser> create(std::string_view content_type);

  // Events completed by these bytes. Errors: invalid_argument for bad syntax or a part head over 16 KiB.
  Result<std::vector<Event>> feed(std::string_view bytes);
  // Whether the closing boundary was seen; false at the end of the body means it was cut.
  bool finished() const { return phase_ == Phase::epilogue; }

 private:
  enum class Phase { preamble, boundary_end, head, data, epilogue };
  explicit MultipartParser(std::string_view boundary);

  // Each takes what it can from the front of the buffer; false when more bytes are needed.
  Result<bool> step(std::vector<Event>& out);
  bool skip_preamble();
  Result<bool> end_boundary(std::vector<Event>& out);
  Result<bool> take_head(std::vector<Event>& out);
  bool take_data(std::vector<Event>& out);

  std::string delimiter_;  // "\r\n--boundary"
  std::string buffer_;     // Starts with the line end that the first boundary needs before it.
  Phase phase_ = Phase::preamble;
};

}  // namespace ragtime::http
