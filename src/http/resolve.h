// resolve: the addresses of a URL's host.
//
// Thread safety: none needed; runs on the caller's executor, which must be a loop run by one thread.
#pragma once

#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/url.h"

namespace ragtime::http {

// Errors: unavailable, also when the context's end came first.
Task<Result<std::vector<asio::ip::tcp::endpoint>>> resolve(Url url, RequestContext& context);

}  // namespace ragtime::http
