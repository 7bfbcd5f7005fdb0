// Request and Response: what handlers see of HTTP. No product, no JSON, no Beast.
//
// Thread safety: values; a Request belongs to its handler.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::http {

// Header fields in order. Names compare without case; find() returns the first of that name.
class Headers {
 public:
  std::optional<std::string_view> find(std::string_view name) const;
  void set(std::string_view name, std::string_view value);  // Replaces every field of that name.
  void add(std::string_view name, std::string_view value);  // Beside the fields of that name.
  void remove(std::string_view name);
  std::size_t count(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// The body of a request on a `BodyMode::stream` route.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next bytes; empty at the end.
  // Errors: too_large over the route's limit, cancelled when the client is gone, invalid_argument for bad framing.
  virtual Task<Result<std::string>> read_some() = 0;
};

// The body of a streaming response. Each write is sent at once, as one chunk.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Errors: cancelled when the client is gone. Waits while the client reads slowly.
  virtual Task<Result<void>> write(std::string_view bytes) = 0;
};

class WebSocket;

struct Request {
  std::string method;                         // Upper case.
  std::string path;                           // Percent-decoded, without the query.
  std::map<std::string, std::string> query;   // Decoded; the last of repeated names wins.
  std::map<std::string, std::string> params;  // From the route's pattern: {file_id} → "file_id".
  Headers headers;
  std::string body;                   // Empty on stream routes.
  BodyReader* body_reader = nullptr;  // Only on stream routes; valid while the handler runs.
  std::string remote_address;         // Of the peer, without port.
  // What ServerHooks::before leaves for the handler; http does not look at it.
  std::shared_ptr<void> attachment{};
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  // When set, `body` is ignored: called once after the head was sent; the response ends when it returns.
  // The request's context outlives it.
  std::function<Task<>(StreamWriter&)> stream;
  // When set, the request is answered with 101 and the connection is a WebSocket until this returns, closed with 1000
  // then; a request that is no proper handshake is refused. See websocket.h.
  std::function<Task<>(WebSocket&)> websocket;
  std::string subprotocol;  // Of those that the client offered; empty: none.
};

}  // namespace ragtime::http
