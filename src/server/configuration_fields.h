// The table of settings: one visit per key with its bounds, so that reading, overriding and printing cannot disagree.
//
// Thread safety: a visitor belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "server/configuration.h"

namespace ragtime::server {

struct FieldRules {
  std::string environment;                                // The variable that overrides the file; empty: none.
  double min = -std::numeric_limits<double>::infinity();  // Of numbers, inclusive.
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string_view> allowed;  // Of texts and of the elements of lists; empty: anything.
  bool secret = false;                    // Never printed.
  bool url = false;                       // May hold a password, which is never printed.
};

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void field(std::string_view key, std::string& value, const FieldRules& rules) = 0;
  virtual void field(std::string_view key, std::int64_t& value, const FieldRules& rules) = 0;
  virtual void field(std::string_view key, double& value, const FieldRules& rules) = 0;
  virtual void field(std::string_view key, bool& value, const FieldRules& rules) = 0;
  virtual void field(std::string_view key, std::vector<std::string>& value, const FieldRules& rules) = 0;

  // A table within the current one. `body` visits its fields.
  virtual void section(std::string_view key, const std::function<void()>& body) = 0;
  // An array of tables: returns how many there are to be, given how many there are, then visits each.
  virtual std::size_t list_size(std::string_view key, std::size_t current) = 0;
  virtual void list_item(std::string_view key, std::size_t index, const std::function<void()>& body) = 0;
  // A table with names chosen by the operator: further names to add to the current ones.
  virtual std::vector<std::string> further_names(std::string_view key) = 0;
};

void visit_fields(Configuration& configuration, FieldVisitor& visitor);

// What is wrong with a value by its rules, as the end of a sentence; empty when nothing is.
std::string violation(const std::string& value, const FieldRules& rules);
std::string violation(double value, const FieldRules& rules);

// The candidate that `name` was probably meant to be, or empty.
std::string closest_name(std::string_view name, const std::vector<std::string>& candidates);

// Rules that span fields. The error's `param` is the dotted path of the setting at fault.
Result<void> check_consistency(const Configuration& configuration);

struct ListenAddress {
  std::string address;  // Numeric.
  std::uint16_t port = 0;
  bool loopback = false;
};
// "127.0.0.1:8000", "[::1]:8000", "localhost:8000".
Result<ListenAddress> parse_listen(std::string_view listen);

}  // namespace ragtime::server
