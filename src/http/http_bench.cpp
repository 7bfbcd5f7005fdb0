// What the server costs per request and per open stream, beside a plain coroutine server on Beast.
//
//     http_bench requests [SECONDS]            a trivial route over 32 kept connections: requests per second of both
//     http_bench streams COUNT PACE_MS SECONDS so many event streams with an event every PACE_MS: events, delay, memory
//
// Each server is a process of its own with one thread on the first core; the clients are on the second one. JSON lines.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/wait.h"
#include "http/server.h"
#include "http/sse.h"

namespace ragtime::http {
namespace {

namespace beast = boost::beast;
using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr std::string_view kBody = "Hello, world!";
constexpr std::string_view kRequest = "GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n";

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

Task<> beast_session(tcp::socket socket) {
  constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
  beast::flat_buffer buffer;
  while (true) {
    beast::http::request<beast::http::string_body> request;
    auto [read_error, read] = co_await beast::http::async_read(socket, buffer, request, kAwait);
    if (read_error) co_return;
    beast::http::response<beast::http::string_body> response{beast::http::status::ok, request.version()};
    response.set(beast::http::field::content_type, "text/plain");
    response.body() = kBody;
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    auto [write_error, written] = co_await beast::http::async_write(socket, response, kAwait);
    if (write_error) co_return;
  }
}

Task<> beast_accept(tcp::acceptor& acceptor) {
  while (true) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), beast_session(std::move(socket)), [](std::exception_ptr) {});
  }
}

void serve_beast(const std::function<void(std::uint16_t)>& ready) {
  asio::io_context loop(1);
  tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
  asio::co_spawn(loop, beast_accept(acceptor), [](std::exception_ptr) {});
  ready(acceptor.local_endpoint().port());
  loop.run();
}

Task<Response> hello(Request&, RequestContext&) {
  Response response;
  response.headers.set("Content-Type", "text/plain");
  response.body = kBody;
  co_return response;
}

// Every event carries when it was made.
Task<> tell_time(StreamWriter& out, std::chrono::milliseconds pace, RequestContext& context) {
  asio::steady_timer timer(co_await asio::this_coro::executor, steady_clock::now());
  while (!context.cancelled()) {
    const auto now = steady_clock::now().time_since_epoch().count();
    const std::string event = format_sse("", fmt::format("{:020}", now));
    auto sent = co_await out.write(event);
    if (sent.has_error()) co_return;
    timer.expires_at(timer.expiry() + pace);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void serve_ragtime(bool with_log, std::chrono::milliseconds pace, const std::function<void(std::uint16_t)>& ready) {
  Router router;
  Route route;
  route.method = "GET";
  route.pattern = "/hello";
  route.handler = hello;
  router.add(route);
  route.pattern = "/stream";
  route.timeout = std::chrono::hours(1);
  route.handler = [pace](Request&, RequestContext& context) -> Task<Response> {
    Response response;
    response.headers.set("Content-Type", "text/event-stream");
    response.stream = [pace, &context](StreamWriter& out) { return tell_time(out, pace, context); };
    co_return response;
  };
  router.add(route);
  telemetry::Metrics metrics;
  const auto log = with_log ? telemetry::Logger::open({.file = "/dev/null"}).value() : telemetry::Logger::null();
  ServerConfig config;
  config.port = 0;
  config.threads = 1;
  config.connections_max = 100'000;
  Server server(config, std::move(router), {}, *log, metrics);
  if (server.start().has_error()) return;
  ready(server.port());
  ::pause();
}

// A server in a process of its own. Ends with this object.
class Child {
 public:
  explicit Child(const std::function<void(const std::function<void(std::uint16_t)>&)>& serve) {
    std::array<int, 2> pipe{};
    if (::pipe(pipe.data()) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      pin(0);
      serve([&](std::uint16_t port) {
        if (::write(pipe[1], &port, sizeof port) != sizeof port) std::abort();
      });
      ::_exit(1);
    }
    if (::read(pipe[0], &port_, sizeof port_) != sizeof port_) std::abort();
    for (const int end : pipe) ::close(end);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  std::uint16_t port() const { return port_; }

  double resident_mb() const {
    std::ifstream file(fmt::format("/proc/{}/statm", pid_));
    std::size_t whole = 0;
    std::size_t resident = 0;
    file >> whole >> resident;
    return static_cast<double>(resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) / 1e6;
  }

  double cpu_seconds() const {
    std::ifstream file(fmt::format("/proc/{}/stat", pid_));
    std::string word;
    double ticks = 0;
    for (int i = 1; file >> word && i <= 15; ++i) {
      if (i == 14 || i == 15) ticks += std::stod(word);
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) std::abort();
}

// Calls `on_bytes` for whatever arrives on the connections until the time is over.
void watch(const std::vector<int>& fds, std::chrono::duration<double> time,
           const std::function<void(int, std::string_view)>& on_bytes) {
  const int poll = ::epoll_create1(0);
  for (const int fd : fds) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
  const auto end = steady_clock::now() + time;
  std::array<epoll_event, 256> events{};
  std::array<char, 16384> bytes{};
  while (steady_clock::now() < end) {
    const int count = ::epoll_wait(poll, events.data(), events.size(), 100);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
      if (size <= 0) std::abort();
      on_bytes(fd, {bytes.data(), static_cast<std::size_t>(size)});
    }
  }
  ::close(poll);
}

double requests_per_second(const Child& server, double seconds) {
  std::vector<int> fds(32);
  for (int& fd : fds) fd = connect_to(server.port());
  for (const int fd : fds) send_all(fd, kRequest);
  std::size_t replies = 0;
  const auto start = steady_clock::now();
  watch(fds, std::chrono::duration<double>(seconds), [&](int fd, std::string_view bytes) {
    if (!bytes.ends_with(kBody)) return;
    ++replies;
    send_all(fd, kRequest);
  });
  const std::chrono::duration<double> took = steady_clock::now() - start;
  for (const int fd : fds) ::close(fd);
  return static_cast<double>(replies) / took.count();
}

void measure_requests(double seconds) {
  using Serve = std::function<void(const std::function<void(std::uint16_t)>&)>;
  const auto none = std::chrono::milliseconds(0);
  const std::map<std::string, Serve> servers = {
      {"beast", serve_beast},
      {"ragtime", [&](const auto& ready) { serve_ragtime(false, none, ready); }},
      {"ragtime_with_log", [&](const auto& ready) { serve_ragtime(true, none, ready); }}};
  std::map<std::string, std::vector<double>> rates;
  for (int round = 0; round < 5; ++round) {
    for (const auto& [name, serve] : servers) {
      const Child child(serve);
      rates[name].push_back(requests_per_second(child, seconds / 5));
    }
  }
  std::map<std::string, double> medians;
  for (auto& [name, values] : rates) {
    std::ranges::sort(values);
    medians[name] = values[values.size() / 2];
  }
  for (const auto& [name, median] : medians) {
    std::cout << fmt::format("{{\"server\":\"{}\",\"requests_per_second\":{:.0f},\"to_beast\":{:.3f}}}\n", name, median,
                             median / medians["beast"]);
  }
}

void measure_streams(std::size_t count, std::chrono::milliseconds pace, double seconds) {
  const Child child([&](const auto& ready) { serve_ragtime(false, pace, ready); });
  const double empty_mb = child.resident_mb();
  std::vector<int> fds(count);
  for (int& fd : fds) {
    fd = connect_to(child.port());
    send_all(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  std::size_t events = 0;
  std::vector<double> delays_ms;
  const double cpu_before = child.cpu_seconds();
  watch(fds, std::chrono::duration<double>(seconds), [&](int, std::string_view bytes) {
    const auto at = bytes.rfind("data: ");
    for (auto next = bytes.find("data: "); next != std::string_view::npos; next = bytes.find("data: ", next + 1)) ++events;
    if (at == std::string_view::npos || bytes.size() < at + 26) return;
    const auto sent = steady_clock::duration(std::stoll(std::string(bytes.substr(at + 6, 20))));
    delays_ms.push_back(std::chrono::duration<double, std::milli>(steady_clock::now().time_since_epoch() - sent).count());
  });
  std::ranges::sort(delays_ms);
  const auto percentile = [&](double p) {
    return delays_ms.empty() ? 0 : delays_ms[static_cast<std::size_t>(p * static_cast<double>(delays_ms.size() - 1))];
  };
  std::cout << fmt::format(
      "{{\"streams\":{},\"pace_ms\":{},\"events_per_second\":{:.0f},\"expected\":{:.0f},\"delay_ms_p50\":{:.2f},"
      "\"delay_ms_p99\":{:.2f},\"cpu_percent\":{:.0f},\"resident_mb\":{:.1f},\"empty_mb\":{:.1f},\"kb_per_stream\":{:.1f}}}\n",
      count, pace.count(), static_cast<double>(events) / seconds, static_cast<double>(count) * 1000 / static_cast<double>(pace.count()),
      percentile(0.5), percentile(0.99), (child.cpu_seconds() - cpu_before) / seconds * 100, child.resident_mb(), empty_mb,
      (child.resident_mb() - empty_mb) * 1000 / static_cast<double>(count));
  for (const int fd : fds) ::close(fd);
}

int run(const std::vector<std::string>& arguments) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  pin(1);
  if (!arguments.empty() && arguments[0] == "requests") {
    measure_requests(arguments.size() > 1 ? std::stod(arguments[1]) : 5);
    return 0;
  }
  if (arguments.size() == 4 && arguments[0] == "streams") {
    measure_streams(std::stoul(arguments[1]), std::chrono::milliseconds(std::stol(arguments[2])), std::stod(arguments[3]));
    return 0;
  }
  std::cerr << "usage: http_bench requests [SECONDS] | streams COUNT PACE_MS SECONDS\n";
  return 2;
}

}  // namespace
}  // namespace ragtime::http

int main(int argc, char** argv) {
  return ragtime::http::run({argv + 1, argv + argc});
}
