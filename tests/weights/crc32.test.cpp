// SPDX-License-Identifier: MIT
#include <pam/weights/detail/crc32.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

namespace weights_crc32_test {

TEST_CASE("the checksum has the published check value", "[weights]") {
  // "Check" of CRC-32/ISO-HDLC in the catalogue at https://reveng.sourceforge.io/crc-catalogue/all.htm
  CHECK(pam::crc32("123456789", 9) == 0xCBF43926u);
  CHECK(pam::crc32("", 0) == 0u);
  const std::string fox = "The quick brown fox jumps over the lazy dog";
  CHECK(pam::crc32(fox.data(), fox.size()) == 0x414FA339u);
}

TEST_CASE("eight bytes a step give what one bit a step gives, at every length and alignment", "[weights]") {
  std::vector<std::uint8_t> bytes(100);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + 11);
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t size = 0; begin + size <= bytes.size(); ++size) {
      std::uint32_t expected = 0xFFFFFFFFu;
      for (std::size_t i = begin; i < begin + size; ++i) {
        expected ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) expected = (expected >> 1) ^ ((expected & 1) != 0 ? 0xEDB88320u : 0u);
      }
      if (pam::crc32(bytes.data() + begin, size) != ~expected) FAIL("length " << size << " at " << begin);
    }
  }
  SUCCEED();
}
}  // namespace weights_crc32_test
