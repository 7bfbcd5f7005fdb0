#include "base/hash.h"

#include <array>

#include <openssl/evp.h>

#include "base/check.h"

namespace ragtime {

namespace {

// Looked up once: EVP_sha256() would look for an implementation in every use.
const EVP_MD* sha256() {
  static const EVP_MD* const algorithm = [] {
    EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
    RAGTIME_CHECK(fetched != nullptr);
    return fetched;
  }();
  return algorithm;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  RAGTIME_CHECK(EVP_DigestInit_ex(state_->context, sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  RAGTIME_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish_hex() {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  RAGTIME_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &length) == 1);
  std::string out;
  out.reserve(64);
  for (const unsigned char byte : digest) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

}  // namespace ragtime
