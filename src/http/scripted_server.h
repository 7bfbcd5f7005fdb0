// ScriptedServer: a blocking server for the tests of the client that says exactly the bytes it is told, over TCP or
// TLS.
//
// Thread safety: construct, use and destroy from one thread; it serves its connections one after another on its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

namespace ragtime::http {

// One accepted connection, as its script sees it.
class ScriptedConnection {
 public:
  virtual ~ScriptedConnection() = default;
  // The head of the next request with its empty line; empty when the client has left.
  virtual std::string read_head() = 0;
  virtual void write(std::string_view bytes) = 0;
};

class ScriptedServer {
 public:
  // `script` runs for every connection, with its number from 0; the connection closes when it returns.
  using Script = std::function<void(ScriptedConnection&, int)>;

  explicit ScriptedServer(Script script, boost::asio::ssl::context* tls = nullptr)
      : script_(std::move(script)), tls_(tls), acceptor_(loop_, {boost::asio::ip::address_v4::loopback(), 0}) {
    port_ = acceptor_.local_endpoint().port();
    thread_ = std::thread([this] { serve(); });
  }

  ~ScriptedServer() {
    stopping_ = true;
    boost::asio::ip::tcp::socket waker(loop_);
    boost::system::error_code ignored;
    waker.connect({boost::asio::ip::address_v4::loopback(), port_}, ignored);
    thread_.join();
  }

  std::uint16_t port() const { return port_; }
  std::string url(std::string_view path = "/") const {
    return (tls_ != nullptr ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + std::string(path);
  }
  int accepted() const { return accepted_; }

 private:
  template <class Stream>
  class Connection final : public ScriptedConnection {
   public:
    explicit Connection(Stream& stream) : stream_(stream) {}
    std::string read_head() override {
      boost::system::error_code error;
      const auto bytes = boost::asio::read_until(stream_, boost::asio::dynamic_buffer(received_), "\r\n\r\n", error);
      std::string head = received_.substr(0, bytes);
      received_.erase(0, bytes);
      return head;
    }
    void write(std::string_view bytes) override {
      boost::system::error_code ignored;
      boost::asio::write(stream_, boost::asio::buffer(bytes), ignored);
    }

   private:
    Stream& stream_;
    std::string received_;
  };

  void serve() {
    while (true) {
      boost::asio::ip::tcp::socket socket(loop_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (stopping_ || error) return;
      const int number = accepted_++;
      if (tls_ == nullptr) {
        Connection<boost::asio::ip::tcp::socket> connection(socket);
        script_(connection, number);
        continue;
      }
      boost::asio::ssl::stream<boost::asio::ip::tcp::socket&> stream(socket, *tls_);
      stream.handshake(boost::asio::ssl::stream_base::server, error);
      if (error) continue;
      Connection<decltype(stream)> connection(stream);
      script_(connection, number);
    }
  }

  Script script_;
  boost::asio::ssl::context* tls_;
  boost::asio::io_context loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

}  // namespace ragtime::http
