#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

Result<ResponseRecord> read_response(const Statement& row) {
  Columns columns(row);
  ResponseRecord response;
  response.id = columns.text();
  response.tenant = columns.text();
  response.created_at = columns.integer();
  response.body = columns.text();
  response.input_items = columns.text();
  return response;
}

}  // namespace

Result<void> SqliteDatabase::insert_response(const ResponseRecord& response) {
  return write([&](Connection& connection) {
    return connection.execute(
        "INSERT INTO responses (id, tenant, created_at, body, input_items) VALUES (?, ?, ?, ?, ?)", response.id,
        response.tenant, response.created_at, response.body, response.input_items);
  });
}

Result<ResponseRecord> SqliteDatabase::get_response(std::string_view tenant, std::string_view id) {
  return read([&](Connection& connection) {
    Statement statement(connection,
                        "SELECT id, tenant, created_at, body, input_items FROM responses WHERE id = ? AND tenant = ?");
    return read_one(statement.bind(id, tenant), read_response, no_such("response", id, "response_id"));
  });
}

Result<void> SqliteDatabase::delete_response(std::string_view tenant, std::string_view id) {
  return write([&](Connection& connection) {
    return change_one(connection, no_such("response", id, "response_id"),
                      "DELETE FROM responses WHERE id = ? AND tenant = ?", id, tenant);
  });
}

}  // namespace ragtime::storage
