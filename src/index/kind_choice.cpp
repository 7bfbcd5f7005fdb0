#include "index/kind_choice.h"

#include <array>
#include <cmath>

namespace ragtime::index {
namespace {

// Bytes that one thread reads in a second from memory, measured; and what a search may take of it.
constexpr double kBytesPerSecond = 14e9;
constexpr double kScanSecondsMax = 0.005;
// Fewer vectors than this are compared exactly within a tenth of that time.
constexpr double kFlatSecondsMax = 0.0005;
// A 1-bit code errs by 0.75 / √dimensions of a unit vector: too much to separate neighbours below this.
constexpr std::size_t kBitDimensionsLeast = 192;
constexpr std::size_t kCoarseDimensionsLeast = 64;
// How far beyond its border a kind is kept.
constexpr double kKeptBeyond = 1.25;

std::size_t scan_bytes(VectorKind kind, std::size_t dimensions) {
  const std::size_t padded = (dimensions + 63) / 64 * 64;
  switch (kind) {
    case VectorKind::flat:
      return dimensions * sizeof(float);
    case VectorKind::rabitq:
      return padded / 8 + 12;
    case VectorKind::rabitq4:
      return padded / 2 + 12;
    default:
      return padded + 12;
  }
}

double scan_seconds(VectorKind kind, std::size_t vectors, std::size_t dimensions) {
  return static_cast<double>(vectors) * static_cast<double>(scan_bytes(kind, dimensions)) / kBytesPerSecond;
}

VectorKind scan_kind(std::size_t dimensions) {
  if (dimensions >= kBitDimensionsLeast) return VectorKind::rabitq;
  return dimensions >= kCoarseDimensionsLeast ? VectorKind::rabitq4 : VectorKind::rabitq8;
}

std::string milliseconds(double seconds) {
  const auto tenths = static_cast<long>(std::ceil(seconds * 1e4));
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

}  // namespace

KindChoice choose_kind(std::size_t vectors, std::size_t dimensions, const VectorIndexOptions& options,
                       std::optional<VectorKind> current) {
  if (options.kind) return {*options.kind, "Set by the configuration."};
  const auto border = [&](VectorKind kind, double seconds) {
    return current == kind ? seconds * kKeptBeyond : seconds;
  };
  const std::string count = std::to_string(vectors) + " vectors of " + std::to_string(dimensions) + " dimensions";
  const double flat_seconds = scan_seconds(VectorKind::flat, vectors, dimensions);
  const bool flat_fits =
      options.memory_bytes_max == 0 || vectors * scan_bytes(VectorKind::flat, dimensions) <= options.memory_bytes_max;
  if (flat_fits && flat_seconds <= border(VectorKind::flat, kFlatSecondsMax)) {
    return {VectorKind::flat, count + " are compared exactly in about " + milliseconds(flat_seconds) + "."};
  }
  const VectorKind scan = scan_kind(dimensions);
  const double seconds = scan_seconds(scan, vectors, dimensions);
  const std::string name(vector_kind_name(scan));
  return {scan, count + " are scanned as " + name + " codes in about " + milliseconds(seconds) + "."};
}

}  // namespace ragtime::index
