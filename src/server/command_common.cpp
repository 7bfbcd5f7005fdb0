#include <iostream>
#include <iterator>

#include "server/commands.h"

namespace ragtime::server {

int fail(Invocation& invocation, const std::string& message, int code) {
  invocation.err.line(invocation.err.styled(Style::red, "ragtime:") + " " + message);
  return code;
}

std::string read_question(const std::vector<std::string>& words) {
  std::string out;
  if (words.size() == 1 && words.front() == "-") {
    out.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  }
  const std::size_t begin = out.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return out.substr(begin, out.find_last_not_of(" \t\r\n") + 1 - begin);
}

}  // namespace ragtime::server
