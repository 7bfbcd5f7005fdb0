#include "server/version.h"

#include <boost/version.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <oneapi/dnnl/dnnl.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <unicode/uvernum.h>

namespace ragtime::server {
namespace {

std::string compiler() {
#if defined(__clang__)
  return fmt::format("Clang {}", __clang_version__);
#else
  return fmt::format("GCC {}", __VERSION__);
#endif
}

std::string processor_features() {
  std::vector<std::string> features;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto note = [&](bool present, const char* name) {
    if (present) features.emplace_back(name);
  };
  note(__builtin_cpu_supports("sse4.2"), "sse4.2");
  note(__builtin_cpu_supports("avx2"), "avx2");
  note(__builtin_cpu_supports("fma"), "fma");
  note(__builtin_cpu_supports("avx512f"), "avx512f");
  note(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
  note(__builtin_cpu_supports("avx512bf16"), "avx512bf16");
#endif
  return features.empty() ? "none known" : fmt::format("{}", fmt::join(features, " "));
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace

std::string version() {
  return RAGTIME_VERSION;
}

std::vector<std::pair<std::string, std::string>> build_description() {
  std::string build = RAGTIME_BUILD_TYPE;
  if (const std::string sanitizers = RAGTIME_SANITIZE; !sanitizers.empty()) build += " with " + sanitizers;
  return {{"version", version()},
          {"build", build},
          {"compiler", compiler()},
          {"boost", fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
          {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"sqlite", sqlite3_libversion()},
          {"onednn", onednn_version()},
          {"icu", U_ICU_VERSION},
          {"cpu", processor_features()}};
}

}  // namespace ragtime::server
