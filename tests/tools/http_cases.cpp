// The malformed requests of the server's tests, and the server behind them, for tests with proxies in front.
//
//     http_cases list     prints every case: ID STATUS BYTES-IN-HEXADECIMAL
//     http_cases serve    prints its port, then a line for every request that it saw, wrong ones too; ends with its input
//
// What it answers to a good request is the path, a colon, and the body.
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "http/request_cases.h"
#include "http/server.h"

namespace {

using namespace ragtime;

// The server logs each request when it has been answered.
class PrintedRequests final : public telemetry::Logger {
 public:
  void write(telemetry::LogLevel, std::string_view event, std::initializer_list<telemetry::LogField> fields) override {
    if (event != "request") return;
    std::string line = "seen";
    for (const auto& field : fields) {
      if (field.key == "status") line += fmt::format(" {}", std::get<std::int64_t>(field.value));
      if (field.key == "path") line += fmt::format(" {}", std::get<std::string_view>(field.value));
    }
    std::cout << line + "\n" << std::flush;
  }
};

Task<http::Response> echo(http::Request& request, RequestContext&) {
  http::Response response;
  response.body = request.path + ":" + request.body;
  co_return response;
}

void list() {
  for (const auto& each : http::request_cases()) {
    std::string hex;
    for (const char byte : each.bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    std::cout << each.id << " " << each.status << " " << hex << "\n";
  }
}

int serve() {
  http::Router router;
  for (const auto& [method, path] : {std::pair("GET", "/"), std::pair("POST", "/echo"), std::pair("GET", "/witness")}) {
    http::Route route;
    route.method = method;
    route.pattern = path;
    route.handler = echo;
    router.add(std::move(route));
  }
  PrintedRequests log;
  telemetry::Metrics metrics;
  http::ServerConfig config;
  config.port = 0;
  config.threads = 1;
  http::Server server(config, std::move(router), {}, log, metrics);
  if (auto started = server.start(); started.has_error()) {
    std::cerr << started.error().message << "\n";
    return 1;
  }
  std::cout << server.port() << "\n" << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  if (what == "serve") return serve();
  if (what != "list") {
    std::cerr << "usage: http_cases list|serve\n";
    return 2;
  }
  list();
  return 0;
}
