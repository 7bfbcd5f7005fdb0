#include "http/message.h"

#include <algorithm>

#include "http/ascii.h"

namespace ragtime::http {

std::optional<std::string_view> Headers::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(fields_, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
  if (found == fields_.end()) return std::nullopt;
  return found->second;
}

void Headers::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Headers::add(std::string_view name, std::string_view value) {
  fields_.emplace_back(name, value);
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
}

std::size_t Headers::count(std::string_view name) const {
  return std::ranges::count_if(fields_, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
}

}  // namespace ragtime::http
