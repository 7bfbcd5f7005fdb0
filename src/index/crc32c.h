// CRC-32C (Castagnoli) over four interleaved lanes, for columns of hundreds of megabytes.
//
// Lane i takes every fourth 8-byte word from word i; the result is the CRC-32C of the lanes' values and of the bytes
// that fill no whole round. So one processor instruction per word runs in four chains at once, at the speed of memory,
// and any error within 32 bits is found, as in the plain code. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ragtime::index {

// With the processor's instruction where it has one.
std::uint32_t interleaved_crc32c(std::span<const std::byte> bytes);
// With tables; the same value everywhere.
std::uint32_t portable_interleaved_crc32c(std::span<const std::byte> bytes);

}  // namespace ragtime::index
