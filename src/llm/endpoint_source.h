// EndpointSource: where a pool's endpoints come from when they are not fixed: names in DNS, or a file (src/server).
//
// Thread safety: list() is called by one coroutine at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/dns.h"
#include "llm/endpoint_pool.h"

namespace ragtime::llm {

class EndpointSource {
 public:
  virtual ~EndpointSource() = default;
  // All endpoints that exist now. On an error, and on none at all, the pool keeps those it has: a source that is down
  // must not take the models with it.
  virtual Task<Result<std::vector<EndpointConfig>>> list(RequestContext& context) = 0;
  virtual std::string description() const = 0;  // For logs.
};

struct DnsSourceConfig {
  std::string url;      // With a host name: each of its addresses is an endpoint. With `service`: only scheme and path.
  std::string service;  // An SRV name such as "_http._tcp.models.internal": host and port of each target; or empty.
  std::string model;
  std::string api_key;
  double weight = 1;
  http::NameServer name_server;  // Of `service`.
};

// `blocking`, where the look-ups run, outlives the source.
std::unique_ptr<EndpointSource> make_dns_source(DnsSourceConfig config, async::ThreadPool& blocking);

}  // namespace ragtime::llm
