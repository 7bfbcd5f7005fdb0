// A Terminal that writes into a temporary file, for tests of what commands print.
#pragma once

#include <cstdio>
#include <string>

#include "server/terminal.h"

namespace ragtime::server {

class CapturedTerminal {
 public:
  CapturedTerminal()
      : file_(std::tmpfile()), terminal_(file_, [](std::string_view) { return std::optional<std::string>(); }) {}
  ~CapturedTerminal() { std::fclose(file_); }
  CapturedTerminal(const CapturedTerminal&) = delete;
  CapturedTerminal& operator=(const CapturedTerminal&) = delete;

  Terminal& operator*() { return terminal_; }

  // Everything written so far.
  std::string text() {
    std::string out(static_cast<std::size_t>(std::ftell(file_)), '\0');
    std::rewind(file_);
    out.resize(std::fread(out.data(), 1, out.size(), file_));
    return out;
  }

 private:
  std::FILE* file_;
  Terminal terminal_;
};

}  // namespace ragtime::server
