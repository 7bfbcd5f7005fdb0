#include "api/json_text.h"

#include <cmath>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace ragtime::api {
namespace {

namespace json = boost::json;

void append(std::string& out, const json::value& value);

void append_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const auto single = static_cast<float>(number);
  if (static_cast<double>(single) == number) {
    fmt::format_to(std::back_inserter(out), "{}", single);
  } else {
    fmt::format_to(std::back_inserter(out), "{}", number);
  }
}

void append_array(std::string& out, const json::array& array) {
  out.push_back('[');
  for (const json::value& item : array) {
    if (&item != array.data()) out.push_back(',');
    append(out, item);
  }
  out.push_back(']');
}

void append_object(std::string& out, const json::object& object) {
  out.push_back('{');
  for (const auto& member : object) {
    if (&member != object.begin()) out.push_back(',');
    out += json::serialize(member.key());
    out.push_back(':');
    append(out, member.value());
  }
  out.push_back('}');
}

void append(std::string& out, const json::value& value) {
  if (const double* number = value.if_double()) {
    append_number(out, *number);
  } else if (const json::array* array = value.if_array()) {
    append_array(out, *array);
  } else if (const json::object* object = value.if_object()) {
    append_object(out, *object);
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string json_text(const boost::json::value& value) {
  std::string out;
  append(out, value);
  return out;
}

}  // namespace ragtime::api
