// SPDX-License-Identifier: MIT
/// CRC-32 as zip files use it (polynomial 0xEDB88320), eight bytes per step: about 1.5 GB/s on one core.
#pragma once

#include <pam/core/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace pam {
namespace detail {

/// `table[k][b]`: the effect of byte b followed by k zero bytes.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

inline constexpr CrcTables make_crc_tables() {
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const auto before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

inline constexpr CrcTables kCrcTables = make_crc_tables();

}  // namespace detail

/// The CRC-32 of `size` bytes at `data`. Example: of "123456789" it is 0xCBF43926.
[[nodiscard]] std::uint32_t crc32(const void* data, std::size_t size);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/weights/detail/crc32-inl.hpp>
#endif
