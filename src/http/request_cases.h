// Requests whose framing is wrong or doubtful, with what the server must answer, and proper ones beside them so that
// the table is not empty talk. Made by rules, the same ones every time; for tests.
//
// The routes behind them: GET / and POST /echo. Pure; safe from any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ragtime::http {

struct RequestCase {
  std::string id;     // "family.number", stable as long as nothing is put in between.
  std::string bytes;  // One request; a second one may be sent right behind it.
  int status = 400;
  bool goes_on = false;  // The connection stays, so that a request behind it is answered too.
};

namespace request_case_rules {

using std::string;
using std::string_view;
using namespace std::string_literals;

// Collects the cases of one family after another.
class Cases {
 public:
  void family(string name) {
    family_ = std::move(name);
    number_ = 0;
  }
  void add(string bytes, int status, bool goes_on = false) {
    out_.push_back({family_ + "." + std::to_string(++number_), std::move(bytes), status, goes_on});
  }
  void bad(string bytes, int status = 400) { add(std::move(bytes), status); }
  void good(string bytes, int status = 200) { add(std::move(bytes), status, true); }
  std::vector<RequestCase> take() { return std::move(out_); }

 private:
  string family_;
  int number_ = 0;
  std::vector<RequestCase> out_;
};

inline string get(string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + string(fields) + "\r\n";
}

inline string post(string_view fields, string_view body) {
  return "POST /echo HTTP/1.1\r\nHost: a\r\n" + string(fields) + "\r\n" + string(body);
}

inline string chunked(string_view body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

inline constexpr string_view kChunks = "5\r\nhello\r\n0\r\n\r\n";

inline void add_lengths(Cases& cases) {
  cases.family("content_length");
  for (const string& value :
       {"+5"s, "-5"s, "-0"s, "0x5"s, "0b101"s, "0o5"s, "5,5"s, "5, 5"s, "5,6"s, "5 5"s, "5;"s, "5.0"s, "5e0"s, "1_0"s, ""s,
        "05"s, "005"s, "00"s, "\xa0"s + "5", "5\xa0"s, "5\0"s, "5\x0b"s, "\x0c"s + "5", "9223372036854775808"s,
        "18446744073709551616"s, "18446744073709551621"s, "99999999999999999999"s, "1000000000000000000"s, "five"s, "NaN"s,
        "--5"s, "5-"s, "'5'"s, "\"5\""s, "5h"s, "\xef\xbc\x95"s, "\xd9\xa5"s, "5\x7f"s, "0x"s, "infinity"s}) {
    cases.bad(post("Content-Length: " + value + "\r\n", "hello"));
  }
  const string five = "Content-Length: 5\r\n";
  cases.bad(post(five + five, "hello"));
  cases.bad(post(five + "Content-Length: 6\r\n", "hello!"));
  cases.bad(post("Content-Length: 6\r\n" + five, "hello!"));
  cases.bad(post(five + "content-length: 0\r\n", "hello"));
  cases.bad(post(five + "Content-Length:\r\n", "hello"));
  cases.bad(post(five + "X: y\r\n" + five + five, "hello"));
  cases.bad(post("Content-Length : 5\r\n", "hello"));
  cases.bad(post("Content-Length\t: 5\r\n", "hello"));
  cases.bad(post("Content_Length: 5\r\n", "hello"));
  cases.bad(post("Content-Length\x0b: 5\r\n", "hello"));
  cases.bad(post("X: y\r\n Content-Length: 5\r\n", "hello"));
  cases.good(post(five, "hello"));
  cases.good(post("content-LENGTH:5\r\n", "hello"));
  cases.good(post("Content-Length: \t5 \t\r\n", "hello"));
  cases.good(post("Content-Length: 0\r\n", ""));
}

inline void add_codings(Cases& cases) {
  cases.family("transfer_encoding");
  for (const string& value :
       {"xchunked"s, "chunked, chunked"s, "chunked,"s, "chunked;q=1"s, ",chunked"s, "identity"s, "identity, chunked"s,
        "chunked, identity"s, "gzip"s, "gzip, chunked"s, "chunked, gzip"s, "deflate"s, "compress"s, "chunk"s, "chunkedx"s,
        "\"chunked\""s, "'chunked'"s, "chunked\x0b"s, "\x0b"s + "chunked", "chunked\0"s, "\0chunked"s, "\xa0"s + "chunked",
        "chunked\x85"s, "chunked\x0c"s, "[chunked]"s, "chunked chunked"s, "c hunked"s, ""s, "trailers, chunked"s,
        "chunked\x7f"s, "\x01"s + "chunked", "chun\tked"s, "chunke\xc4\x91"s, "chunked\\"s, "br"s, "none"s, "null"s}) {
    cases.bad(post("Transfer-Encoding: " + value + "\r\n", kChunks));
  }
  const string coding = "Transfer-Encoding: chunked\r\n";
  for (const string& length : {"0"s, "5"s, "15"s, "99"s}) {
    const string field = "Content-Length: " + length + "\r\n";
    cases.bad(post(coding + field, kChunks));
    cases.bad(post(field + coding, kChunks));
    cases.bad(post(field + "Transfer-Encoding: identity\r\n", kChunks));
  }
  cases.bad(post(coding + coding, kChunks));
  cases.bad(post(coding + "transfer-encoding: identity\r\n", kChunks));
  cases.bad(post("Transfer-Encoding: identity\r\n" + coding, kChunks));
  cases.bad(post("Transfer-Encoding : chunked\r\n", kChunks));
  cases.bad(post("Transfer-Encoding\t: chunked\r\n", kChunks));
  cases.bad(post("Transfer_Encoding: chunked\r\n", kChunks));
  cases.bad(post("Transfer-Encoding:\r\n chunked\r\n", kChunks));
  cases.bad(post("X: y\r\n Transfer-Encoding: chunked\r\n", kChunks));
  cases.bad(post("Transfer\0-Encoding: chunked\r\n"s, kChunks));
  cases.bad("POST /echo HTTP/1.0\r\nHost: a\r\n" + coding + "\r\n" + string(kChunks));
  cases.bad("POST /echo HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" + coding + "\r\n" + string(kChunks));
  cases.good(post(coding, kChunks));
  cases.good(post("transfer-encoding: CHUNKED\r\n", kChunks));
  cases.good(post("Transfer-Encoding:\tchunked \t\r\n", kChunks));
}

inline void add_chunks(Cases& cases) {
  cases.family("chunk");
  for (const string& size : {"0x5"s, "+5"s, "-5"s, "5_"s, " 5"s, "\t5"s, "5 "s, "5\t"s, "5 ;a"s, "g"s, ""s, ";ext"s, "5,"s,
                             "FFFFFFFFFFFFFFFF"s, "10000000000000000"s, "7fffffffffffffff"s, "000000000000000005"s, "5\0"s,
                             "\0005"s, "5\x0b"s, "\xef\xbc\x95"s, "5h"s, "5.0"s, "5;a\x01"s, "5;a\x7f"s, "5;\0"s, "5\r"s, "\r5"s,
                             "5;a\rb"s, "5;a\nb"s, "5\n"s}) {
    cases.bad(chunked(size + "\r\nhello\r\n0\r\n\r\n"));
  }
  for (const string& body :
       {"5\nhello\r\n0\r\n\r\n"s, "5\r\nhello\n0\r\n\r\n"s, "5\r\nhello0\r\n\r\n"s, "5\r\nhellox\r\n0\r\n\r\n"s,
        "5\rhello\r\n0\r\n\r\n"s, "5\r\nhello\r0\r\n\r\n"s, "5\r\nhello\rX0\r\n\r\n"s, "5\r\nhello\r\r\n0\r\n\r\n"s,
        "5\r\nhello\r\n0\r\n\n"s, "5\r\nhello\r\n0\n\r\n"s, "5\r\nhello\r\n0\r\n\r\r\n"s, "5\r\nhello\r\n0\r\rX\r\n"s,
        "5\r\nhel\r\n0\r\n\r\n"s, "4\r\nhello\r\n0\r\n\r\n"s, "6\r\nhello\r\n0\r\n\r\n"s, "5\r\nhello\r\n\r\n0\r\n\r\n"s,
        "5\n\rhello\r\n0\r\n\r\n"s, "\r\n5\r\nhello\r\n0\r\n\r\n"s}) {
    cases.bad(chunked(body));
  }
  cases.bad(chunked("5;" + string(300, 'x') + "\r\nhello\r\n0\r\n\r\n"));
  string many;
  for (int i = 0; i < 40; ++i) many += "1;" + string(200, 'x') + "\r\na\r\n";
  cases.bad(chunked(many + "0\r\n\r\n"));
  cases.good(chunked("5;name=value\r\nhello\r\n0\r\n\r\n"));
  cases.good(chunked("5;name=\"a b\";other\r\nhello\r\n0;last\r\n\r\n"));
  cases.good(chunked("0005\r\nhello\r\n000\r\n\r\n"));
  cases.good(chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"));
  cases.good(chunked("0\r\n\r\n"));
}

inline void add_trailers(Cases& cases) {
  cases.family("trailer");
  const auto with = [](string_view trailers) { return chunked("5\r\nhello\r\n0\r\n" + string(trailers) + "\r\n"); };
  for (const string_view name : {"Content-Length", "Transfer-Encoding", "Host", "Authorization", "Connection", "Upgrade",
                                 "Cookie", "Set-Cookie", "Content-Type", "Content-Encoding", "Expect",
                                 "CONTENT-LENGTH", "transfer-encoding"}) {
    cases.bad(with(string(name) + ": 5\r\n"));
  }
  for (const string& line : {"no colon\r\n"s, ": x\r\n"s, "X : y\r\n"s, "X: y\n"s, "X: y\r"s, "X: y\r\n z\r\n"s, " X: y\r\n"s,
                             "X_Y: z\r\n"s, "X: \0\r\n"s, "X: \x01\r\n"s, "X\xc3\xa9: y\r\n"s, "X: y\n\r\n"s}) {
    cases.bad(with(line));
  }
  cases.bad(with("X: " + string(5000, 'x') + "\r\n"));
  string many;
  for (int i = 0; i < 40; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  cases.bad(with(many));
  cases.good(with("X-Check: 1\r\nX-Other:\r\n"));
}

inline void add_first_lines(Cases& cases) {
  cases.family("request_line");
  for (const string& line :
       {"GET  / HTTP/1.1"s, "GET /  HTTP/1.1"s, "GET\t/ HTTP/1.1"s, "GET /\tHTTP/1.1"s, " GET / HTTP/1.1"s, "GET / HTTP/1.1 "s,
        "GET /"s, "GET / HTTP"s, "GET / HTTP/"s, "GET / HTTP/1"s, "GET / HTTP/1."s, "GET / HTTP/.1"s, "GET / HTTP/1.1x"s,
        "GET / HTTP/1.10"s, "GET / HTTP/1.32"s, "GET / HTTP/11.1"s, "GET / HTTP/4294967295.255"s, "GET / http/1.1"s,
        "GET / Http/1.1"s, "GET / HTTP/ 1.1"s, "GET / HTTP /1.1"s, "GET / HTTP/1,1"s, "GET / HTTP/-1.1"s, "GET / HTTP/1.-1"s,
        "GET / XTTP/1.1"s, "GET / HTTPS/1.1"s, "GET / HTTP/1.1 HTTP/1.1"s, "G\0T / HTTP/1.1"s, "G\xc3\x89T / HTTP/1.1"s,
        "GE(T / HTTP/1.1"s, "GET: / HTTP/1.1"s, "\"GET\" / HTTP/1.1"s, "GET/ HTTP/1.1"s, "/ HTTP/1.1"s, "HTTP/1.1 200 OK"s,
        "GET"s, "GET / HTTP/1.1\x0b"s, "\x0cGET / HTTP/1.1"s, "GET / HTTP/\xd9\xa1.1"s, "GET / / HTTP/1.1"s,
        string(33, 'A') + " / HTTP/1.1", "GET / HTTP/one.one"s}) {
    cases.bad(line + "\r\nHost: a\r\n\r\n");
  }
  for (const string_view version : {"0.9", "1.2", "1.9", "2.0", "2.1", "3.0", "9.9", "0.0"}) {
    cases.bad("GET / HTTP/" + string(version) + "\r\nHost: a\r\n\r\n", 505);
  }
  cases.bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
  cases.bad("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  cases.bad("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  cases.bad("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  cases.bad("GET /" + string(9000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414);
  cases.bad("GET /" + string(20'000, 'x'), 414);
  cases.good("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  cases.good("get / HTTP/1.1\r\nHost: a\r\n\r\n", 405);
  cases.good("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 405);
  cases.good("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405);
  cases.good("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405);
  cases.good("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  cases.add("GET / HTTP/1.0\r\n\r\n", 200);
  cases.add("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n", 200);
}

inline void add_targets(Cases& cases) {
  cases.family("target");
  for (const string& target :
       {"\\"s, "/\\"s, "/a\\..\\b"s, "/\0"s, "/%00"s, "/%"s, "/%1"s, "/%zz"s, "/%ff"s, "/%c0%ae"s, "/%c0%af"s, "/%e0%80%af"s,
        "/.."s, "/../etc"s, "/a/../b"s, "/%2e%2e/"s, "/.%2e/"s, "/./"s, "/%2e"s, "/\xc3\xa9"s, "/\x7f"s, "/\x01"s, "/#frag"s,
        "/a#b"s, "/<"s, "/>"s, "/\""s, "http://"s, "http:///"s, "http://other/"s, "http://x@a/"s, "http://user:pw@a/"s,
        "http://a:x/"s, "http://a:80/"s, "http://[::1/"s, "http:/a/"s, "ftp://a/"s, "ws://a/"s, "a"s, "a:443"s, "a/b"s, "*"s,
        "**"s, "?x"s, "javascript:x"s, "/?a=%ff"s, "/?a=%"s, "/?a=%00"s, "%2f"s, "http://a,b/"s, "https://b/"s}) {
    cases.bad("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  cases.bad("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
  cases.bad("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n");
  for (const string& target : {"/"s, "/?"s, "/?a=b&c"s, "http://a/"s, "HTTP://A/"s, "https://a/?x"s, "/?[]|{}^`"s}) {
    cases.good("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  cases.good("GET //a/ HTTP/1.1\r\nHost: a\r\n\r\n", 404);
  cases.good("GET /;x=y HTTP/1.1\r\nHost: a\r\n\r\n", 404);
  cases.good("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404);
}

inline void add_fields(Cases& cases) {
  cases.family("field");
  for (char c = 1; c < 0x20; ++c) {
    if (c == '\t' || c == '\r' || c == '\n') continue;
    cases.bad(get("X: a"s + c + "b\r\n"));
    cases.bad(get("X"s + c + ": b\r\n"));
  }
  for (const char c : string(" \t\"(),/;<=>?@[\\]{}\x7f\x80\xc3\xff_\0"s)) cases.bad(get("X"s + c + "Y: b\r\n"));
  for (const string& line :
       {"no colon\r\n"s, ": x\r\n"s, ":\r\n"s, "X: a\0b\r\n"s, "X: \x7f\r\n"s, "X: a\rb\r\n"s, "X: a\r\r\n"s, "X: a\n"s, "X: a\n\r"s,
        "X: a\n\r\n"s, " X: a\r\n"s, "\tX: a\r\n"s, "X: a\r\n b\r\n"s, "X: a\r\n\tb\r\n"s, "X: a\r\n \r\n"s, "X : a\r\n"s,
        "X\t: a\r\n"s, "X: a\r\nY\r\n"s, "\0: a\r\n"s, "X: a\rY: b\r\n"s, "X: a\nY: b\r\n"s, "X: a\r\n\nY: b\r\n"s}) {
    cases.bad(get(line));
  }
  cases.bad("GET / HTTP/1.1\r\n Host: a\r\n\r\n");
  cases.bad("GET / HTTP/1.1\nHost: a\n\n");
  cases.bad("GET / HTTP/1.1\rHost: a\r\r");
  cases.bad("GET / HTTP/1.1\r\nHost: a\n\r\n");
  cases.bad("GET / HTTP/1.1\r\nHost: a\r\n\n");
  cases.bad("GET / HTTP/1.1\r\nHost: a\n\n");
  cases.bad(get("X: " + string(40'000, 'x') + "\r\n"), 431);
  cases.bad("GET / HTTP/1.1\r\nHost: a\r\nX: " + string(80'000, 'x'), 431);
  string many;
  for (int i = 0; i < 100; ++i) many += "X" + std::to_string(i) + ":\r\n";
  cases.bad(get(many), 431);
  cases.good(get("X: a\tb \xc3\xa9\xff\r\nY:\r\nZ: :\r\n"));
  cases.good(get("X!#$%&'*+-.^`|~9: a\r\n"));
  cases.good(get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"));
  cases.good(get("Upgrade: websocket\r\nConnection: Upgrade\r\n"));
  cases.good(get("Content-Length: 5\r\n") + "hello");
  cases.good(get("Transfer-Encoding: chunked\r\n") + string(kChunks));
}

inline void add_hosts(Cases& cases) {
  cases.family("host");
  cases.bad("GET / HTTP/1.1\r\n\r\n");
  cases.bad("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
  cases.bad("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n");
  cases.bad("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
  cases.bad("GET http://a/ HTTP/1.1\r\n\r\n");
  cases.bad("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
  for (const string& host :
       {""s, "a,b"s, "a, b"s, "a b"s, "a/b"s, "a/"s, "http://a"s, "x@a"s, "u:p@a"s, "a:b"s, "a:"s, "a:999999"s, "[::1"s, "[]"s,
        "::1"s, "a\\b"s, "a?b"s, "a#b"s, "a%00"s, "\xc3\xa9"s, "a:80:80"s, "\"a\""s, ":80"s, "[::1]80"s, "[::g]"s, "a:-80"s, "a\0"s,
        "a;b"s, "*"s}) {
    cases.bad("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }
  for (const string& host : {"a"s, "a:80"s, "[::1]:80"s, "[::ffff:127.0.0.1]"s, "127.0.0.1"s, "A_b-c.d"s}) {
    cases.good("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }
}

inline void add_expectations(Cases& cases) {
  cases.family("expect");
  for (const string_view value : {"200-ok", "100-contin", "100-continue, 100-continue", "", "100-continue;q=1", "x=y"}) {
    cases.bad(post("Expect: " + string(value) + "\r\nContent-Length: 5\r\n", "hello"), 417);
  }
  cases.good(post("Expect: 100-CONTINUE\r\nContent-Length: 5\r\n", "hello"));
  cases.good(get("Expect: 100-continue\r\n"));
}

inline void add_other_protocols(Cases& cases) {
  cases.family("other_protocol");
  cases.bad("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + string(64, '\x7e'));
  cases.bad("SSH-2.0-OpenSSH_9.2\r\n");
  cases.bad("EHLO example\r\n");
  cases.bad("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  cases.bad("\r\n\r\n\0\r\nQUIT\n"s + string(16, '\0'));
  cases.bad("*1\r\n$4\r\nPING\r\n");
  cases.bad(string(64, '\0'));
  cases.bad("{\"method\": \"GET\"}\r\n\r\n");
  cases.bad("{}\n");
  cases.bad("\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

}  // namespace request_case_rules

inline std::vector<RequestCase> request_cases() {
  using namespace request_case_rules;
  Cases cases;
  add_lengths(cases);
  add_codings(cases);
  add_chunks(cases);
  add_trailers(cases);
  add_first_lines(cases);
  add_targets(cases);
  add_fields(cases);
  add_hosts(cases);
  add_expectations(cases);
  add_other_protocols(cases);
  return cases.take();
}

}  // namespace ragtime::http
