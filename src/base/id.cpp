#include "base/id.h"

#include <array>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace ragtime {
namespace {

// Random bytes of one thread: a call for each id would cost more than the rest of a request's bookkeeping.
class RandomBytes {
 public:
  ~RandomBytes() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  unsigned char next() {
    if (used_ == bytes_.size()) {
      if (RAND_bytes(bytes_.data(), static_cast<int>(bytes_.size())) != 1) throw std::runtime_error("no random bytes");
      used_ = 0;
    }
    const unsigned char byte = bytes_[used_];
    bytes_[used_++] = 0;  // What became a key must not stay here.
    return byte;
  }

 private:
  std::array<unsigned char, 1024> bytes_{};
  std::size_t used_ = bytes_.size();
};

}  // namespace

std::string random_alphanumeric(std::size_t length) {
  static constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // Bytes from 248 up are drawn again, so that every character is equally likely.
  constexpr unsigned kFair = 256 - 256 % kAlphabet.size();
  thread_local RandomBytes random;
  std::string out;
  out.reserve(length);
  while (out.size() < length) {
    if (const unsigned char byte = random.next(); byte < kFair) out.push_back(kAlphabet[byte % kAlphabet.size()]);
  }
  return out;
}

std::string make_id(std::string_view prefix) { return std::string(prefix) + random_alphanumeric(24); }

}  // namespace ragtime
