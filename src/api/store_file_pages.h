// The list of a store's files, of the whole store or of one batch, with the `filter` by status.
#pragma once

#include <string>

#include "api/environment.h"

namespace ragtime::api {

// `batch_id` empty: the whole store. The store is the tenant's.
Task<Result<http::Response>> store_file_page(Environment& env, http::Request& request, std::string store_id,
                                             std::string batch_id, RequestContext& context);

}  // namespace ragtime::api
