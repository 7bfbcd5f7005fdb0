#include "server/json_text.h"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace ragtime::server {
namespace {

void write(const boost::json::value& value, const std::string& indent, std::string& out);

template <class Container, class WriteItem>
void write_items(const Container& items, char open, char close, const std::string& indent, std::string& out,
                 WriteItem write_item) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    out += first ? "\n" : ",\n";
    out += indent + "  ";
    write_item(item);
    first = false;
  }
  if (!first) out += "\n" + indent;
  out += close;
}

void write(const boost::json::value& value, const std::string& indent, std::string& out) {
  if (const auto* object = value.if_object()) {
    write_items(*object, '{', '}', indent, out, [&](const auto& item) {
      out += boost::json::serialize(boost::json::value(item.key())) + ": ";
      write(item.value(), indent + "  ", out);
    });
  } else if (const auto* array = value.if_array()) {
    write_items(*array, '[', ']', indent, out, [&](const auto& item) { write(item, indent + "  ", out); });
  } else if (const auto* number = value.if_double()) {
    out += number_text(*number);
  } else {
    out += boost::json::serialize(value);
  }
}

}  // namespace

std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string pretty_json(const boost::json::value& value) {
  std::string out;
  write(value, "", out);
  return out;
}

}  // namespace ragtime::server
