// What a WebSocket client may send after the handshake, proper and not, with how the server ends it. Made by rules, the
// same ones every time; for tests. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime::http {

// A frame as a client sends it: masked, unless told otherwise.
struct ClientFrame {
  unsigned opcode = 1;
  std::string payload;
  bool final = true;
  unsigned reserved = 0;  // The three bits.
  bool masked = true;
  int length_bytes = 0;  // 0: the shortest form; 2 or 8: that one.

  std::string bytes() const {
    std::string out;
    out += static_cast<char>((final ? 0x80u : 0u) | reserved << 4 | opcode);
    int extra = length_bytes;
    if (extra == 0 && payload.size() > 125) extra = payload.size() > 65535 ? 8 : 2;
    const unsigned size = extra == 0 ? static_cast<unsigned>(payload.size()) : extra == 2 ? 126 : 127;
    out += static_cast<char>((masked ? 0x80u : 0u) | size);
    for (int i = extra - 1; i >= 0; --i) {
      out += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i) & 0xff);
    }
    static constexpr std::string_view kMask = "\x37\xfa\x21\x3d";
    if (masked) out += kMask;
    for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(masked ? payload[i] ^ kMask[i % 4] : payload[i]);
    return out;
  }
};

struct WebSocketCase {
  std::string id;
  std::string bytes;
  int close_code = 0;                 // What the server's closing frame carries; 0: it goes on.
  std::vector<std::string> messages;  // What arrives before that.
};

namespace websocket_case_rules {

class Cases {
 public:
  void family(std::string name) {
    family_ = std::move(name);
    number_ = 0;
  }
  void add(std::string bytes, int close_code, std::vector<std::string> messages = {}) {
    out_.push_back({family_ + "." + std::to_string(++number_), std::move(bytes), close_code, std::move(messages)});
  }
  std::vector<WebSocketCase> take() { return std::move(out_); }

 private:
  std::string family_;
  int number_ = 0;
  std::vector<WebSocketCase> out_;
};

inline std::string frame(unsigned opcode, std::string payload, bool final = true) {
  ClientFrame out;
  out.opcode = opcode;
  out.payload = std::move(payload);
  out.final = final;
  return out.bytes();
}

inline std::string close_frame(unsigned code, std::string_view reason = "") {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return frame(8, payload + std::string(reason));
}

inline void add_sizes(Cases& cases) {
  cases.family("size");
  for (const std::size_t size : {0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 131072}) {
    for (const unsigned opcode : {1u, 2u}) {
      const std::string payload(size, '*');
      cases.add(frame(opcode, payload), 0, {payload});
    }
  }
  ClientFrame frame_of;
  frame_of.payload = "hello";
  for (const int bytes : {2, 8}) {
    frame_of.length_bytes = bytes;
    cases.add(frame_of.bytes(), 1002);
  }
  frame_of.payload = std::string(125, 'x');
  frame_of.length_bytes = 2;
  cases.add(frame_of.bytes(), 1002);
  frame_of.payload = std::string(65535, 'x');
  frame_of.length_bytes = 8;
  cases.add(frame_of.bytes(), 1002);
  using namespace std::string_literals;
  cases.add("\x81\xff\x80\0\0\0\0\0\0\0abcd"s, 1002);
  cases.add("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"s + "abcd", 1002);
  cases.add("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s + "abcd", 1009);
  cases.add("\x82\xff\0\0\0\0\0\x10\0\x01"s + "abcd", 1009);
  cases.add(frame(2, std::string(1 << 20, 'x')), 0, {std::string(1 << 20, 'x')});
  cases.add(frame(2, std::string(1 << 19, 'x'), false) + frame(0, std::string((1 << 19) + 1, 'x')), 1009);
}

inline void add_header_bits(Cases& cases) {
  cases.family("header");
  for (unsigned reserved = 1; reserved < 8; ++reserved) {
    for (const unsigned opcode : {1u, 9u, 8u}) {
      ClientFrame bad;
      bad.opcode = opcode;
      bad.reserved = reserved;
      cases.add(frame(1, "first") + bad.bytes(), 1002, {"first"});
    }
  }
  for (const unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
    for (const char* payload : {"", "x"}) cases.add(frame(opcode, payload) + frame(1, "never"), 1002);
  }
  for (const unsigned opcode : {1u, 2u, 8u, 9u, 10u}) {
    for (const char* payload : {"", "xy"}) {
      ClientFrame bare;
      bare.opcode = opcode;
      bare.payload = payload;
      bare.masked = false;
      cases.add(bare.bytes(), 1002);
    }
  }
}

inline void add_control_frames(Cases& cases) {
  cases.family("control");
  for (const unsigned opcode : {9u, 10u}) {
    cases.add(frame(opcode, "") + frame(1, "on"), 0, {"on"});
    cases.add(frame(opcode, std::string(125, '\xfe')) + frame(1, "on"), 0, {"on"});
    cases.add(frame(opcode, std::string(126, 'x')), 1002);
    cases.add(frame(opcode, "x", false) + frame(0, "y"), 1002);
  }
  cases.add(frame(8, std::string(126, 'x')), 1002);
  cases.add(frame(8, "", false), 1002);
  std::string many;
  for (int i = 0; i < 10; ++i) many += frame(9, "p" + std::to_string(i)) + frame(10, "unasked");
  cases.add(many + frame(1, "on"), 0, {"on"});
}

inline void add_fragments(Cases& cases) {
  cases.family("fragment");
  cases.add(frame(1, "a", false) + frame(0, "b"), 0, {"ab"});
  cases.add(frame(2, "a", false) + frame(0, "b", false) + frame(0, ""), 0, {"ab"});
  cases.add(frame(1, "", false) + frame(0, "", false) + frame(0, ""), 0, {""});
  cases.add(frame(1, "a", false) + frame(9, "ping") + frame(0, "b"), 0, {"ab"});
  cases.add(frame(1, "a", false) + frame(10, "") + frame(9, "") + frame(0, "b") + frame(1, "c"), 0, {"ab", "c"});
  cases.add(frame(0, "b"), 1002);
  cases.add(frame(0, "b", false), 1002);
  cases.add(frame(1, "whole") + frame(0, "b"), 1002, {"whole"});
  cases.add(frame(1, "a", false) + frame(1, "b"), 1002);
  cases.add(frame(1, "a", false) + frame(2, "b"), 1002);
  cases.add(frame(1, "a", false) + frame(1, "b", false), 1002);
  cases.add(frame(1, "a", false) + frame(0, "b") + frame(0, "c"), 1002, {"ab"});
  cases.add(frame(1, "a", false) + close_frame(1000), 1000);
  std::string pieces = frame(1, "x", false);
  for (int i = 0; i < 2000; ++i) pieces += frame(0, "x", false);
  cases.add(pieces + frame(0, "x"), 0, {std::string(2002, 'x')});
}

inline void add_texts(Cases& cases) {
  cases.family("utf8");
  for (const std::string& text :
       {std::string("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"), std::string("\xf4\x8f\xbf\xbf"), std::string("\xed\x9f\xbf"),
        std::string("\xee\x80\x80"), std::string("\xef\xbf\xbd"), std::string("\0", 1), std::string("\x7f"),
        std::string("\xc2\x80"), std::string("\xdf\xbf"), std::string("\xe0\xa0\x80"), std::string("\xf0\x90\x80\x80")}) {
    cases.add(frame(1, text), 0, {text});
    if (text.size() > 1) cases.add(frame(1, text.substr(0, 1), false) + frame(0, text.substr(1)), 0, {text});
  }
  for (const std::string& text :
       {std::string("\x80"), std::string("\xbf"), std::string("\xc0\x80"), std::string("\xc0\xaf"), std::string("\xc1\xbf"),
        std::string("\xe0\x80\xaf"), std::string("\xe0\x9f\xbf"), std::string("\xed\xa0\x80"), std::string("\xed\xbf\xbf"),
        std::string("\xed\xa0\x80\xed\xb0\x80"), std::string("\xf0\x80\x80\xaf"), std::string("\xf0\x8f\xbf\xbf"),
        std::string("\xf4\x90\x80\x80"), std::string("\xf5\x80\x80\x80"), std::string("\xf8\x88\x80\x80\x80"),
        std::string("\xfc\x84\x80\x80\x80\x80"), std::string("\xfe"), std::string("\xff"), std::string("\xc2"),
        std::string("\xe2\x82"), std::string("\xf0\x9f\x98"), std::string("ok\xce"), std::string("\xce\x20"),
        std::string("a\xed\xa0\x80z")}) {
    cases.add(frame(1, text), 1007);
    cases.add(frame(1, text.substr(0, 1), false) + frame(0, text.substr(1)), 1007);
    cases.add(close_frame(1000, text), 1007);
    cases.add(frame(2, text), 0, {text});
  }
}

inline void add_closes(Cases& cases) {
  cases.family("close");
  cases.add(frame(8, ""), 1000);
  cases.add(frame(8, "x"), 1002);
  for (const unsigned code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    cases.add(close_frame(code), static_cast<int>(code));
    cases.add(close_frame(code, "because"), static_cast<int>(code));
  }
  for (const unsigned code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    cases.add(close_frame(code), 1002);
    cases.add(close_frame(code, "because"), 1002);
  }
  cases.add(close_frame(1000, std::string(123, 'x')), 1000);
  cases.add(close_frame(1000, std::string(124, 'x')), 1002);
  cases.add(frame(1, "first") + close_frame(1000) + frame(1, "never"), 1000, {"first"});
  cases.add(close_frame(1000) + close_frame(1001), 1000);
  cases.add(close_frame(1000) + frame(9, "never"), 1000);
}

}  // namespace websocket_case_rules

inline std::vector<WebSocketCase> websocket_cases() {
  using namespace websocket_case_rules;
  Cases cases;
  add_sizes(cases);
  add_header_bits(cases);
  add_control_frames(cases);
  add_fragments(cases);
  add_texts(cases);
  add_closes(cases);
  return cases.take();
}

}  // namespace ragtime::http
