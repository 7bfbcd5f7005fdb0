#include "http/resolve.h"

#include <memory>
#include <utility>

#include <boost/asio/this_coro.hpp>

#include "async/wait.h"

namespace ragtime::http {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

// Asio cannot interrupt a look-up that is on its way, so the wait for it is what ends in time.
struct LookUp {
  explicit LookUp(asio::any_io_executor executor) : resolver(executor), done(executor) {}
  tcp::resolver resolver;
  async::Event done;
  error_code error;
  std::vector<tcp::endpoint> addresses;
};

}  // namespace

Task<Result<std::vector<tcp::endpoint>>> resolve(Url url, RequestContext& context) {
  const auto port = static_cast<std::uint16_t>(std::stoul(url.port));
  error_code not_numeric;
  const auto address = asio::ip::make_address(url.host, not_numeric);
  if (!not_numeric) {
    std::vector<tcp::endpoint> numeric;
    numeric.emplace_back(address, port);
    co_return numeric;
  }
  const auto executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<LookUp>(executor);
  lookup->resolver.async_resolve(url.host, url.port,
                                 [lookup](error_code error, const tcp::resolver::results_type& found) {
                                   lookup->error = error;
                                   for (const auto& entry : found) lookup->addresses.push_back(entry.endpoint());
                                   lookup->done.set();
                                 });
  auto waited = co_await lookup->done.wait(context);
  if (waited.has_error()) {
    lookup->resolver.cancel();
    co_return make_error(ErrorCode::unavailable, "no answer from the name server in time");
  }
  if (lookup->error) co_return make_error(ErrorCode::unavailable, "unknown host: " + lookup->error.message());
  co_return std::move(lookup->addresses);
}

}  // namespace ragtime::http
