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

// Resident, ids and factors included.
std::size_t vector_bytes(VectorKind kind, std::size_t dimensions) {
  constexpr std::size_t kFactors = 24;
  constexpr std::size_t kLinks = 118;
  const std::size_t padded = (dimensions + 63) / 64 * 64;
  switch (kind) {
    case VectorKind::flat:
      return dimensions * sizeof(float) + sizeof(ChunkId);
    case VectorKind::rabitq:
      return padded + padded / 8 + kFactors;
    case VectorKind::hnsw:
      return padded + padded / 8 + kLinks + kFactors;
    case VectorKind::ivf:
      return padded + padded / 8 + 2 * kFactors;
    default:
      return padded + kFactors;
  }
}

std::string milliseconds(double seconds) {
  const auto tenths = static_cast<long>(std::ceil(seconds * 1e4));
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

}  // namespace

KindChoice choose_kind(std::size_t vectors, std::size_t dimensions, const VectorIndexOptions& options,
                       std::optional<VectorKind> current) {
  if (options.kind) return {*options.kind, "Set by the configuration."};
  const auto fits = [&](VectorKind kind) {
    return options.memory_bytes_max == 0 || vectors * vector_bytes(kind, dimensions) <= options.memory_bytes_max;
  };
  const auto is_fast = [&](VectorKind kind, double seconds_most) {
    return scan_seconds(kind, vectors, dimensions) <= seconds_most * (current == kind ? kKeptBeyond : 1);
  };
  const std::string count = std::to_string(vectors) + " vectors of " + std::to_string(dimensions) + " dimensions";
  const double flat_seconds = scan_seconds(VectorKind::flat, vectors, dimensions);
  if (fits(VectorKind::flat) && is_fast(VectorKind::flat, kFlatSecondsMax)) {
    return {VectorKind::flat, count + " are compared exactly in about " + milliseconds(flat_seconds) + "."};
  }
  const VectorKind scan = fits(scan_kind(dimensions)) ? scan_kind(dimensions) : VectorKind::rabitq4;
  const std::string time = milliseconds(scan_seconds(scan, vectors, dimensions));
  const std::string name(vector_kind_name(scan));
  if (is_fast(scan, kScanSecondsMax)) {
    return {scan, count + " are scanned as " + name + " codes in about " + time + "."};
  }
  if (fits(VectorKind::hnsw)) {
    return {VectorKind::hnsw, count + " would take about " + time + " to scan: a graph is faster."};
  }
  if (fits(VectorKind::ivf)) {
    return {VectorKind::ivf, count + " would take about " + time + " to scan, and a graph more memory than allowed."};
  }
  return {VectorKind::rabitq4, count + " leave no memory for more than their codes, which are scanned."};
}

}  // namespace ragtime::index
