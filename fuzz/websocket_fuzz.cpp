// Frames that a WebSocket client may send; split or not, the same must come out.
#include <algorithm>
#include <string>
#include <string_view>

#include "http/websocket_frame.h"
#include "targets.h"

namespace ragtime::fuzz {
namespace {

using Event = http::WebSocketReader::Event;

std::string read(std::string_view bytes, std::size_t piece) {
  http::WebSocketReader reader(4096);
  std::string out;
  while (!bytes.empty()) {
    std::string_view input = bytes.substr(0, piece);
    bytes.remove_prefix(input.size());
    for (Event event = reader.next(input); event != Event::more; event = reader.next(input)) {
      out += std::to_string(static_cast<int>(event)) + reader.payload();
      if (event == Event::close || event == Event::failure) return out + std::to_string(reader.close_code());
    }
  }
  return out;
}

}  // namespace

int websocket(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t piece = size == 0 ? 1 : 1 + data[size / 2] % 7;
  return read(bytes, std::max<std::size_t>(size, 1)) == read(bytes, piece) ? 0 : 1;
}

}  // namespace ragtime::fuzz

RAGTIME_FUZZ_ENTRY(websocket);
