#include "llm/endpoint_source.h"

#include <algorithm>
#include <utility>

#include "http/url.h"

namespace ragtime::llm {
namespace {

std::string url_of(http::Url url, std::string host, std::string port) {
  url.host = std::move(host);
  url.port = std::move(port);
  return url.origin() + (url.target == "/" ? "" : url.target);
}

class DnsSource final : public EndpointSource {
 public:
  DnsSource(DnsSourceConfig config, async::ThreadPool& blocking) : config_(std::move(config)), blocking_(blocking) {}

  Task<Result<std::vector<EndpointConfig>>> list(RequestContext& context) override {
    co_return co_await blocking_.run(context, [this] { return resolve(); });
  }

  std::string description() const override { return config_.service.empty() ? config_.url : config_.service; }

 private:
  Result<std::vector<EndpointConfig>> resolve() const {
    RAGTIME_TRY(const http::Url url, http::parse_url(config_.url));
    return config_.service.empty() ? by_addresses(url) : by_service(url);
  }

  Result<std::vector<EndpointConfig>> by_addresses(const http::Url& url) const {
    RAGTIME_TRY(const auto addresses, http::resolve_addresses(url.host));
    std::vector<EndpointConfig> out;
    for (const std::string& address : addresses) out.push_back(endpoint(url_of(url, address, url.port), 1));
    return out;
  }

  // Only the targets of the best priority, as RFC 2782 wants it; a weight of 0 stands for little, not for nothing.
  Result<std::vector<EndpointConfig>> by_service(const http::Url& url) const {
    RAGTIME_TRY(const auto targets, http::resolve_service(config_.service, config_.name_server));
    const auto weighs = [](const http::ServiceTarget& target) { return target.weight > 0; };
    const bool weighted = std::any_of(targets.begin(), targets.end(), weighs);
    std::vector<EndpointConfig> out;
    for (const http::ServiceTarget& target : targets) {
      if (target.priority != targets.front().priority) break;
      const double share = weighted ? std::max(0.1, static_cast<double>(target.weight)) : 1;
      out.push_back(endpoint(url_of(url, target.host, std::to_string(target.port)), share));
    }
    return out;
  }

  EndpointConfig endpoint(std::string url, double share) const {
    return {std::move(url), config_.model, config_.api_key, config_.weight * share};
  }

  const DnsSourceConfig config_;
  async::ThreadPool& blocking_;
};

}  // namespace

std::unique_ptr<EndpointSource> make_dns_source(DnsSourceConfig config, async::ThreadPool& blocking) {
  return std::make_unique<DnsSource>(std::move(config), blocking);
}

}  // namespace ragtime::llm
