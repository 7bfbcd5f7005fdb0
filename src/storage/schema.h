// The SQLite schema and its migrations, numbered by `PRAGMA user_version`. Private to storage.
#pragma once

#include "base/result.h"
#include "storage/sqlite.h"

namespace ragtime::storage {

// Brings the database to the newest version, each step in one transaction.
// Errors: conflict when a newer version, or another program, wrote the file.
Result<void> migrate(Connection& connection);

}  // namespace ragtime::storage
