// SHA-256, for content addresses and for stored keys.
//
// Thread safety: one Sha256 object belongs to one thread at a time; the free function is safe anywhere.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ragtime {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  // 64 lower-case hexadecimal digits. The object may not be used afterwards.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace ragtime
