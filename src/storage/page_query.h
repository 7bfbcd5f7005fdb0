// PageQuery: one cursor page of a table in (created_at, seq) order. Private to storage.
//
// The table's alias is one letter. Conditions of the scope (tenant, store) also hold for cursors; those of the filter
// do not, so that a page can continue after a row that has left the filter.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "storage/rows.h"

namespace ragtime::storage {

class PageQuery {
 public:
  // For example ("SELECT …", "files f", 'f', "f.id").
  PageQuery(std::string select, std::string from, char alias, std::string id_column);

  PageQuery& scope(std::string_view condition, Value value);
  PageQuery& filter(std::string_view condition, Value value);

  // Errors: not_found with the param "after" or "before" when the cursor is unknown.
  template <class Read>
  auto fetch(Connection& connection, const PageRequest& request, Read read)
      -> Result<Page<typename std::invoke_result_t<Read, const Statement&>::value_type>> {
    RAGTIME_TRY_DONE(locate(connection, request));
    Statement statement(connection, sql(request));
    for (const auto& value : values_) statement.bind(value);
    statement.bind(limit(request) + 1);
    RAGTIME_TRY(auto items, read_all(statement, read));
    Page<typename std::invoke_result_t<Read, const Statement&>::value_type> page;
    page.has_more = static_cast<std::int64_t>(items.size()) > limit(request);
    if (page.has_more) items.pop_back();
    if (backwards(request)) std::reverse(items.begin(), items.end());
    page.items = std::move(items);
    return page;
  }

 private:
  static std::int64_t limit(const PageRequest& request) { return std::max(1, request.limit); }
  // Without `after`, the page before a cursor is the one that ends there.
  static bool backwards(const PageRequest& request) { return !request.before.empty() && request.after.empty(); }

  Result<void> locate(Connection& connection, const PageRequest& request);
  Result<void> add_bound(Connection& connection, const std::string& cursor, std::string_view comparison,
                         const std::string& param);
  std::string sql(const PageRequest& request) const;

  std::string select_;
  std::string from_;
  std::string created_at_;
  std::string seq_;
  std::string id_column_;
  std::string scope_ = "1";
  std::string where_ = "1";
  std::vector<Value> scope_values_;
  std::vector<Value> values_;
};

}  // namespace ragtime::storage
