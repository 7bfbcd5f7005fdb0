#include "encoder/charsmap.h"

#include <cstddef>

#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

// Longer clusters are never looked up as a whole.
constexpr std::size_t kClusterBytesMax = 5;

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

bool has_leaf(std::uint32_t unit) {
  return (unit >> 8 & 1) == 1;
}

std::uint32_t label(std::uint32_t unit) {
  return unit & (1u << 31 | 0xFF);
}

std::uint32_t offset(std::uint32_t unit) {
  return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob) {
  Charsmap map;
  if (blob.empty()) return map;
  if (blob.size() < 4) return make_error(ErrorCode::corrupt, "the precompiled charsmap is too short");
  const std::size_t size = read_u32(blob);
  blob.remove_prefix(4);
  if (size == 0 || size % 4 != 0 || size > blob.size()) {
    return make_error(ErrorCode::corrupt, "the precompiled charsmap has a trie of a wrong size");
  }
  for (std::size_t i = 0; i < size; i += 4) map.units_.push_back(read_u32(blob.substr(i)));
  map.texts_ = blob.substr(size);
  if (!text::is_valid_utf8(map.texts_)) {
    return make_error(ErrorCode::corrupt, "the precompiled charsmap is not valid UTF-8");
  }
  return map;
}

// The text of the shortest rule that `chunk` begins with.
std::optional<std::string_view> Charsmap::find(std::string_view chunk) const {
  if (units_.empty()) return std::nullopt;
  std::size_t node = offset(units_[0]);
  for (const char byte : chunk) {
    if (byte == '\0') break;
    node ^= static_cast<unsigned char>(byte);
    if (node >= units_.size() || label(units_[node]) != static_cast<unsigned char>(byte)) break;
    const bool leaf = has_leaf(units_[node]);
    node ^= offset(units_[node]);
    if (node >= units_.size()) break;
    if (!leaf) continue;
    const std::size_t begin = units_[node] & 0x7FFF'FFFF;
    if (begin > texts_.size()) break;
    const std::string_view rest = std::string_view(texts_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

void Charsmap::append(std::string_view cluster, std::string& out) const {
  if (cluster.size() <= kClusterBytesMax) {
    if (const auto text = find(cluster)) {
      out += *text;
      return;
    }
  }
  for (std::size_t begin = 0; begin < cluster.size();) {
    std::size_t end = begin;
    text::next_code_point(cluster, end);
    const std::string_view character = cluster.substr(begin, end - begin);
    out += find(character).value_or(character);
    begin = end;
  }
}

std::string Charsmap::normalize(std::string_view utf8) const {
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t begin = 0; begin < utf8.size();) {
    const std::size_t end = grapheme_end(utf8, begin);
    append(utf8.substr(begin, end - begin), out);
    begin = end;
  }
  return out;
}

}  // namespace ragtime::encoder
