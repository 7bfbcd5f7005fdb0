// Finding the things that a request names, for its tenant, with errors that name the parameter.
//
// What belongs to another tenant is answered exactly like what does not exist.
#pragma once

#include <string>
#include <vector>

#include "api/environment.h"
#include "storage/records.h"

namespace ragtime::api {

// The part of the path that `name` stands for in the route's pattern.
std::string path_part(const http::Request& request, std::string_view name);

Task<Result<storage::VectorStoreRecord>> find_store(Environment& env, std::string id, RequestContext& context);
// By id, else by name.
Task<Result<storage::VectorStoreRecord>> find_store_by_id_or_name(Environment& env, std::string text,
                                                                  RequestContext& context);
Task<Result<storage::FileRecord>> find_file(Environment& env, std::string id, RequestContext& context);
// All of them, or not_found whose param is `param`[i]. Blocks: for the blocking pool.
Result<void> check_files(storage::Database& database, const std::string& tenant, const std::vector<std::string>& ids,
                         const std::vector<std::string>& params);

Error store_not_found(std::string_view text, std::string_view param);
// `error` with a message about the thing when it is not_found; unchanged otherwise.
Error explain_not_found(Error error, std::string message, std::string param);

}  // namespace ragtime::api
