#include "http/websocket_handshake.h"

#include <algorithm>
#include <array>

#include <openssl/evp.h>

#include "http/ascii.h"
#include "http/framing.h"

namespace ragtime::http {
namespace {

constexpr std::string_view kKeySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeyBytes = 24;  // Sixteen bytes in base64.

std::string base64(const unsigned char* data, std::size_t size) {
  std::string out((size + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), data, static_cast<int>(size));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::string accept_value(std::string_view key) {
  const std::string text = std::string(key) + std::string(kKeySuffix);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64(digest.data(), size);
}

bool is_key(std::string_view text) {
  if (text.size() != kKeyBytes || !text.ends_with("==")) return false;
  const auto good = [](char c) { return is_alphanumeric(c) || c == '+' || c == '/'; };
  return std::ranges::all_of(text.substr(0, kKeyBytes - 2), good);
}

Error bad(std::string what) {
  return make_error(ErrorCode::invalid_argument, "malformed WebSocket handshake: " + std::move(what));
}

}  // namespace

bool asks_for_websocket(const Request& request) {
  const auto upgrade = request.headers.find("upgrade");
  return upgrade && equal_ignoring_case(*upgrade, "websocket");
}

Result<std::string> accept_websocket(const Request& request) {
  const auto& headers = request.headers;
  if (!asks_for_websocket(request)) return make_error(ErrorCode::unsupported, "this path speaks WebSocket only");
  if (request.method != "GET" || !has_connection_option(headers, "upgrade")) return bad("no GET with Connection: Upgrade");
  if (headers.count("sec-websocket-version") > 1 || headers.find("sec-websocket-version") != "13") {
    return make_error(ErrorCode::unsupported, "only version 13 of WebSocket is spoken here");
  }
  const auto key = headers.find("sec-websocket-key");
  if (headers.count("sec-websocket-key") != 1 || !is_key(*key)) return bad("it needs one Sec-WebSocket-Key");
  return accept_value(*key);
}

std::vector<std::string_view> offered_subprotocols(const Headers& headers) {
  std::vector<std::string_view> out;
  for (const auto& [name, value] : headers.fields()) {
    if (!equal_ignoring_case(name, "sec-websocket-protocol")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      const auto each = trim(rest.substr(0, comma));
      if (is_token(each)) out.push_back(each);
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return out;
}

}  // namespace ragtime::http
