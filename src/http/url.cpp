#include "http/url.h"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <boost/url/url_view.hpp>

namespace ragtime::http {
namespace {

namespace urls = boost::urls;

Error bad(std::string_view text, std::string_view why) {
  return make_error(ErrorCode::invalid_argument, "\"" + std::string(text) + "\" " + std::string(why), "url");
}

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

std::string Url::origin() const {
  return (tls ? "https://" : "http://") + bracketed(host) + ":" + port;
}

std::string Url::host_field() const {
  return port == (tls ? "443" : "80") ? bracketed(host) : bracketed(host) + ":" + port;
}

Result<Url> parse_url(std::string_view text) {
  const auto parsed = urls::parse_uri(text);
  if (!parsed) return bad(text, "is not a URL");
  Url url;
  if (parsed->scheme_id() == urls::scheme::https) {
    url.tls = true;
  } else if (parsed->scheme_id() != urls::scheme::http) {
    return bad(text, "is neither http:// nor https://");
  }
  if (parsed->has_userinfo()) return bad(text, "carries a user name; send an Authorization header instead");
  url.host = parsed->host_address();
  if (url.host.empty()) return bad(text, "names no host");
  if (parsed->has_port() && !parsed->port().empty() && parsed->port_number() == 0) return bad(text, "has a bad port");
  url.port = parsed->port().empty() ? (url.tls ? "443" : "80") : std::string(parsed->port());
  url.target = parsed->encoded_path().empty() ? "/" : std::string(parsed->encoded_path());
  if (parsed->has_query()) url.target += "?" + std::string(parsed->encoded_query());
  return url;
}

Result<std::string> resolve_url(std::string_view base, std::string_view location) {
  const auto from = urls::parse_uri(base);
  const auto to = urls::parse_uri_reference(location);
  if (!from || !to) return bad(location, "is not a URL to be redirected to");
  urls::url resolved;
  if (!urls::resolve(*from, *to, resolved)) return bad(location, "is not a URL to be redirected to");
  return std::string(resolved.buffer());
}

}  // namespace ragtime::http
