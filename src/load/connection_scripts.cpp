#include <string>

#include <fmt/format.h>

#include "load/script_table.h"

namespace ragtime::load {
namespace {

void reset(ReplyBuilder& b) {
  b.reset();
}

void close(ReplyBuilder& b) {
  b.cut();
}

void refuse(ReplyBuilder& b) {
  b.last_step(Step::Kind::stop_listening, b.spec.ms(1000));
}

void reset_head(ReplyBuilder& b) {
  b.stream_head();
  b.apart(b.spec.ms(5));
  b.reset();
}

void reset_stream(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.apart(b.spec.ms(5));
  b.reset();
}

void half_head(ReplyBuilder& b) {
  b.raw("HTTP/1.1 200 OK\r\nContent-Type: text/ev");
  b.cut();
}

void not_http(ReplyBuilder& b) {
  b.raw("220 mail.example.org ESMTP ready\r\n");
  b.cut();
}

void tls_garbage(ReplyBuilder& b) {
  b.raw(std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7));
  b.cut();
}

void old_http(ReplyBuilder& b) {
  b.raw("HTTP/0.9 banana\r\n\r\n");
  b.cut();
}

void early_hints(ReplyBuilder& b) {
  for (std::size_t i = 0; i < b.spec.number("n", 3); ++i) {
    b.raw(i % 2 == 0 ? "HTTP/1.1 102 Processing\r\n\r\n"
                     : "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
    b.apart();
  }
}

void early_hints_stream(ReplyBuilder& b) {
  early_hints(b);
  plain_stream(b);
}

void early_hints_whole(ReplyBuilder& b) {
  early_hints(b);
  plain_whole(b);
}

void switching(ReplyBuilder& b) {
  b.mark_status(101);
  b.raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
  b.hold();
}

void bad_chunk_size(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.raw("zz\r\ndata: {}\n\n\r\n");
  b.cut();
}

void huge_chunk_size(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.raw("fffffffffffffffff\r\n");
  b.cut();
}

void short_chunk(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.raw("1000\r\ndata: {\"id\":\"chat");
  b.cut();
}

void missing_chunk_end(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.raw("8\r\n: ping\n\nXX");
  b.tokens(0, 1);
  b.cut();
}

void chunk_extensions(ReplyBuilder& b) {
  b.open_stream(b.request.tokens);
  b.next_write();
  b.raw("8;name=\"value\";other\r\n: ping\n\n\r\n");
  b.finish();
  b.usage();
  b.done();
  b.raw("0;last\r\nX-Trailer: yes\r\n\r\n");
}

std::string bare_stream(const ReplyBuilder& b) {
  ReplyBuilder good(b.spec, b.request);
  good.set_framing(false);
  good.open_stream(b.request.tokens);
  good.close_stream();
  std::string bytes;
  for (const auto& step : good.take().steps) bytes += step.bytes;
  return bytes;
}

void until_close(ReplyBuilder& b) {
  std::string bytes = bare_stream(b);
  b.mark_status(200);
  b.reply().tokens = b.request.tokens;
  b.raw(bytes.insert(bytes.find("\r\n") + 2, "Connection: close\r\n"));
  b.cut();
}

void sized_stream(ReplyBuilder& b) {
  const std::string bytes = bare_stream(b);
  const auto body = bytes.find("\r\n\r\n") + 4;
  b.mark_status(200);
  b.reply().tokens = b.request.tokens;
  b.raw(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n{}",
                    bytes.size() - body, bytes.substr(body)));
}

void length_of(ReplyBuilder& b, std::size_t length) {
  b.mark_status(200);
  b.raw(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", length,
                    b.answer_body("stop", answer_text(b.request.tokens))));
  b.cut();
}

void length_too_long(ReplyBuilder& b) {
  length_of(b, b.answer_body("stop", answer_text(b.request.tokens)).size() + 100);
}

void length_too_short(ReplyBuilder& b) {
  length_of(b, 20);
}

void two_lengths(ReplyBuilder& b) {
  b.mark_status(200);
  b.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 200\r\n\r\n{}");
  b.cut();
}

void length_and_chunked(ReplyBuilder& b) {
  b.mark_status(200);
  b.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n");
  b.raw("2\r\n{}\r\n0\r\n\r\n");
  b.cut();
}

void huge_head(ReplyBuilder& b) {
  b.mark_status(200);
  b.raw(fmt::format("HTTP/1.1 200 OK\r\nX-Padding: {}\r\nContent-Length: 2\r\n\r\n{{}}",
                    std::string(b.spec.number("bytes", 256u << 10), 'x')));
}

void many_fields(ReplyBuilder& b) {
  std::string fields;
  for (std::size_t i = 0; i < b.spec.number("n", 2000); ++i) fields += fmt::format("X-{}: {}\r\n", i, i);
  b.whole(200, "application/json", b.answer_body("stop", answer_text(b.request.tokens)), fields);
}

void bad_field(ReplyBuilder& b) {
  b.raw(std::string_view("HTTP/1.1 200 OK\r\nX-Bad: a\0b\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}", 67));
  b.cut();
}

// The race of every connection pool: the server closes what the client believes to be idle.
void close_after(ReplyBuilder& b) {
  (b.request.stream ? plain_stream : plain_whole)(b);
  b.apart(b.spec.ms(0));
  b.cut();
}

void extra_bytes(ReplyBuilder& b) {
  (b.request.stream ? plain_stream : plain_whole)(b);
  b.next_write();
  b.raw(whole_http(200, "application/json", R"({"stolen":true})"));
}

constexpr ScriptEntry kEntries[] = {
    {{"reset", "a TCP reset instead of a reply", ""}, reset, reset},
    {{"reset-accept", "a TCP reset as soon as a connection is made; only as the upstream's own script", ""}, reset, reset},
    {{"close", "closes instead of replying", ""}, close, close},
    {{"refuse", "a reset, and for a while no connection is taken", "ms=1000"}, refuse, refuse},
    {{"reset-head", "a TCP reset after the head", "ms=5"}, reset_head, reset_head},
    {{"reset-stream", "a TCP reset after some tokens", "after=3 ms=5"}, reset_stream, reset_head},
    {{"half-head", "closes inside the head", ""}, half_head, half_head},
    {{"not-http", "another protocol's greeting", ""}, not_http, not_http},
    {{"tls-garbage", "a TLS alert to a plain request", ""}, tls_garbage, tls_garbage},
    {{"old-http", "a status line that is none", ""}, old_http, old_http},
    {{"early-hints", "interim replies before a good one", "n=3"}, early_hints_stream, early_hints_whole},
    {{"switching", "101 that nobody asked for", ""}, switching, switching},
    {{"bad-chunk-size", "a chunk size that is no number", "after=3"}, bad_chunk_size, length_too_long},
    {{"huge-chunk-size", "a chunk size of 68 bits", "after=3"}, huge_chunk_size, length_too_long},
    {{"short-chunk", "closes inside a chunk", "after=3"}, short_chunk, length_too_long},
    {{"missing-chunk-end", "a chunk without its line end", "after=3"}, missing_chunk_end, length_too_long},
    {{"chunk-extensions", "chunk extensions and a trailer; proper", ""}, chunk_extensions, plain_whole},
    {{"until-close", "a stream that ends with the connection; proper", ""}, until_close, plain_whole},
    {{"sized-stream", "a stream with Content-Length; proper", ""}, sized_stream, plain_whole},
    {{"length-too-long", "Content-Length over what comes", ""}, length_too_long, length_too_long},
    {{"length-too-short", "Content-Length under what comes", ""}, length_too_short, length_too_short},
    {{"two-lengths", "two different Content-Lengths", ""}, two_lengths, two_lengths},
    {{"length-and-chunked", "Content-Length beside chunked", ""}, length_and_chunked, length_and_chunked},
    {{"huge-head", "a head too large to keep", "bytes=262144"}, huge_head, huge_head},
    {{"many-fields", "a head of very many fields", "n=2000"}, many_fields, many_fields},
    {{"bad-field", "a NUL and a line without colon in the head", ""}, bad_field, bad_field},
    {{"close-after", "a good answer, after which the kept connection is closed at once", "ms=0"},
     close_after,
     close_after},
    {{"extra-bytes", "a second reply after a good one that nobody asked for", ""}, extra_bytes, extra_bytes},
};

}  // namespace

std::span<const ScriptEntry> connection_scripts() {
  return kEntries;
}

}  // namespace ragtime::load
