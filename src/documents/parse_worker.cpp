#include <cerrno>
#include <exception>
#include <new>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "documents/file_parser.h"
#include "documents/jail.h"
#include "documents/parser.h"
#include "documents/worker_protocol.h"

namespace ragtime::documents {
namespace {

bool read_exactly(int fd, char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t got = ::read(fd, bytes, count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

// False at the end of the conversation and for what no parser sends.
bool read_frame(int fd, std::string& body) {
  char header[kFrameHeaderBytes];
  if (!read_exactly(fd, header, sizeof header)) return false;
  const std::size_t bytes = body_bytes({header, sizeof header});
  if (bytes > kRequestBytesMax) return false;
  body.resize(bytes);
  return read_exactly(fd, body.data(), bytes);
}

Result<text::Document> parse_guarded(const ParseRequest& request) {
  try {
    return parse_file(request.format, request.path, ParseOptions{request.filename, request.text_bytes_max});
  } catch (const std::exception& error) {
    return make_error(ErrorCode::internal, std::string("the parser failed: ") + error.what());
  }
}

std::string answer(const ParseRequest& request) {
  std::string reply = encode(parse_guarded(request));
  if (reply.size() <= reply_bytes_max(request.text_bytes_max)) return reply;
  return encode(make_error(ErrorCode::too_large, "the document has too many paragraphs; split it"));
}

int serve(int in, int out) {
  std::string body;
  if (!read_frame(in, body)) return 1;
  const auto limits = decode_limits(body);
  if (limits.has_error() || limit_memory(limits->memory_bytes).has_error()) return 1;
  while (read_frame(in, body)) {
    const auto request = decode_request(body);
    if (request.has_error()) return 1;
    allow_cpu_seconds(limits->cpu_seconds);
    if (!write_all(out, frame(answer(*request)))) return 1;
  }
  return 0;
}

}  // namespace

int run_parse_worker() {
  std::set_new_handler([] { ::_exit(kExitOutOfMemory); });
  // A library that prints must not disturb the conversation.
  const int out = ::fcntl(1, F_DUPFD_CLOEXEC, 3);
  if (out < 0 || ::dup2(2, 1) < 0) return 1;
  const auto jailed = enter_jail();
  if (jailed.has_error()) {
    write_all(out, frame(jailed.error().message));
    return 1;
  }
  if (!write_all(out, frame(kWorkerGreeting))) return 1;
  return serve(0, out);
}

}  // namespace ragtime::documents
