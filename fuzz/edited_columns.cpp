#include "edited_columns.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace ragtime::fuzz {

void EditedColumns::column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) {
  columns_[std::string(name)] = {{bytes.begin(), bytes.end()}, element_size};
}

Result<std::span<const std::byte>> EditedColumns::column(std::string_view name, std::size_t element_size) const {
  const auto found = columns_.find(name);
  if (found == columns_.end() || found->second.element_size != element_size) {
    return make_error(ErrorCode::corrupt, "no such column");
  }
  return std::span<const std::byte>(found->second.bytes);
}

void EditedColumns::edit(std::span<const std::uint8_t> changes) {
  for (; changes.size() >= 6 && !columns_.empty(); changes = changes.subspan(6)) {
    const auto column = std::next(columns_.begin(), changes[0] % static_cast<std::ptrdiff_t>(columns_.size()));
    edit(column->second, changes.first<6>());
  }
}

void EditedColumns::edit(Column& column, std::span<const std::uint8_t, 6> change) {
  const std::size_t place = change[2] * 256U + change[3];
  const std::uint64_t value = change[4] * 256U + change[5];
  const std::size_t elements = column.bytes.size() / column.element_size;
  if (change[1] % 4 == 0) {
    column.bytes.resize(std::min<std::size_t>(value, 2 * elements + 2) * column.element_size);
    return;
  }
  if (elements == 0) return;
  // A value as it is, a byte of it, or one near the largest, into one element.
  const std::uint64_t written = change[1] % 4 == 3 ? ~value : value;
  const std::size_t width = change[1] % 4 == 2 ? 1 : std::min<std::size_t>(column.element_size, sizeof(written));
  std::memcpy(column.bytes.data() + place % elements * column.element_size, &written, width);
}

}  // namespace ragtime::fuzz
