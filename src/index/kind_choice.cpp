#include "index/kind_choice.h"

#include <algorithm>
#include <cmath>

namespace ragtime::index {
namespace {

// Bytes that one thread reads in a second from memory, measured.
constexpr double kBytesPerSecond = 14e9;
// Fewer vectors than can be compared in this time are compared exactly.
constexpr double kFlatSecondsMax = 0.0005;
// A 1-bit code errs by 0.75 / √dimensions of a unit vector: too much to separate neighbours below this.
constexpr std::size_t kBitDimensionsLeast = 192;
constexpr std::size_t kCoarseDimensionsLeast = 64;
// How far beyond its border a kind is kept, and by how much below it a graph or lists are given up again.
constexpr double kKeptBeyond = 1.25;
constexpr double kGivenUpBelow = 0.8;

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
    case VectorKind::ivf_pq:
      return padded / 8 + 2 * kFactors;
    default:
      return padded + kFactors;
  }
}

std::string milliseconds(double seconds) {
  const auto tenths = static_cast<long>(std::ceil(seconds * 1e4));
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

bool is_scan(VectorKind kind) {
  return kind == VectorKind::flat || kind == VectorKind::rabitq || kind == VectorKind::rabitq4 ||
         kind == VectorKind::rabitq8;
}

// The time that a scan may take to be preferred to what is built in more time.
double scan_seconds_max(VectorKind scan, double seconds, std::optional<VectorKind> current) {
  if (current == scan) return seconds * kKeptBeyond;
  return current && !is_scan(*current) ? seconds * kGivenUpBelow : seconds;
}

}  // namespace

KindChoice choose_kind(std::size_t vectors, std::size_t dimensions, const VectorIndexOptions& options,
                       std::optional<VectorKind> current) {
  if (options.kind) return {*options.kind, "Set by the configuration."};
  const auto fits = [&](VectorKind kind) {
    return options.memory_bytes_max == 0 || vectors * vector_bytes(kind, dimensions) <= options.memory_bytes_max;
  };
  const auto is_fast = [&](VectorKind kind, double seconds_most) {
    return scan_seconds(kind, vectors, dimensions) <= scan_seconds_max(kind, seconds_most, current);
  };
  const std::string count = std::to_string(vectors) + " vectors of " + std::to_string(dimensions) + " dimensions";
  if (fits(VectorKind::flat) && is_fast(VectorKind::flat, std::min(kFlatSecondsMax, options.scan_seconds_max))) {
    const std::string time = milliseconds(scan_seconds(VectorKind::flat, vectors, dimensions));
    return {VectorKind::flat, count + " are compared exactly in about " + time + "."};
  }
  const VectorKind scan = scan_kind(dimensions);
  const std::string time = milliseconds(scan_seconds(scan, vectors, dimensions));
  const std::string scanned = count + " are scanned as " + std::string(vector_kind_name(scan)) + " codes in about " + time;
  if (fits(scan) && is_fast(scan, options.scan_seconds_max)) return {scan, scanned + "."};
  if (fits(VectorKind::hnsw)) {
    if (!current) return {scan, scanned + " until a graph over them is there."};
    return {VectorKind::hnsw, count + " would take about " + time + " to scan: a graph is faster."};
  }
  if (fits(VectorKind::ivf)) {
    return {VectorKind::ivf, count + " would take about " + time + " to scan, and a graph more memory than allowed."};
  }
  if (!options.files.empty()) {
    return {VectorKind::ivf_pq, count + " leave memory for product codes alone: their 8-bit codes are read from a file."};
  }
  return {VectorKind::rabitq4, count + " leave no memory for more than their codes, which are scanned."};
}

}  // namespace ragtime::index
