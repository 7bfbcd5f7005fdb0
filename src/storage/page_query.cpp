#include "storage/page_query.h"

namespace ragtime::storage {

PageQuery::PageQuery(std::string select, std::string from, char alias, std::string id_column)
    : select_(std::move(select)),
      from_(std::move(from)),
      created_at_(std::string(1, alias) + ".created_at"),
      seq_(std::string(1, alias) + ".seq"),
      id_column_(std::move(id_column)) {}

PageQuery& PageQuery::scope(std::string_view condition, Value value) {
  scope_ += " AND " + std::string(condition);
  scope_values_.push_back(value);
  return filter(condition, std::move(value));
}

PageQuery& PageQuery::filter(std::string_view condition, Value value) {
  where_ += " AND " + std::string(condition);
  values_.push_back(std::move(value));
  return *this;
}

Result<void> PageQuery::locate(Connection& connection, const PageRequest& request) {
  if (!request.after.empty()) {
    RAGTIME_TRY_DONE(add_bound(connection, request.after, request.ascending ? ">" : "<", "after"));
  }
  if (!request.before.empty()) {
    RAGTIME_TRY_DONE(add_bound(connection, request.before, request.ascending ? "<" : ">", "before"));
  }
  return {};
}

Result<void> PageQuery::add_bound(Connection& connection, const std::string& cursor, std::string_view comparison,
                                  const std::string& param) {
  Statement statement(connection, "SELECT " + created_at_ + ", " + seq_ + " FROM " + from_ + " WHERE " + id_column_ +
                                      " = ? AND " + scope_);
  statement.bind(cursor);
  for (const auto& value : scope_values_) statement.bind(value);
  RAGTIME_TRY(const bool row, statement.step());
  if (!row) return no_such("object", cursor, param);
  Columns columns(statement);
  where_ += " AND (" + created_at_ + ", " + seq_ + ") " + std::string(comparison) + " (?, ?)";
  values_.emplace_back(columns.integer());
  values_.emplace_back(columns.integer());
  return {};
}

std::string PageQuery::sql(const PageRequest& request) const {
  const std::string direction = request.ascending != backwards(request) ? " ASC" : " DESC";
  return select_ + " FROM " + from_ + " WHERE " + where_ + " ORDER BY " + created_at_ + direction + ", " + seq_ +
         direction + " LIMIT ?";
}

}  // namespace ragtime::storage
