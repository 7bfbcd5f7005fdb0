#include "base/id.h"

#include <array>
#include <stdexcept>

#include <openssl/rand.h>

namespace ragtime {

std::string random_alphanumeric(std::size_t length) {
  static constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // Bytes from 248 up are drawn again, so that every character is equally likely.
  constexpr unsigned kFair = 256 - 256 % kAlphabet.size();
  std::string out;
  out.reserve(length);
  std::array<unsigned char, 64> bytes{};
  while (out.size() < length) {
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) throw std::runtime_error("no random bytes");
    for (const unsigned char byte : bytes) {
      if (byte < kFair && out.size() < length) out.push_back(kAlphabet[byte % kAlphabet.size()]);
    }
  }
  return out;
}

std::string make_id(std::string_view prefix) { return std::string(prefix) + random_alphanumeric(24); }

}  // namespace ragtime
