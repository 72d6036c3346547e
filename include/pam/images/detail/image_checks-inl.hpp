// SPDX-License-Identifier: MIT
/// The definitions of image_checks.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/image_checks.hpp>

#include <array>
#include <cstdint>

namespace pam::detail {

PAM_FUNC PictureFacts png_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  check(bytes.starts_with("IHDR", 4, 12), "{}: the PNG does not start with its header; it is damaged", bytes.file());
  facts.width = bytes.number(16, 4);
  facts.height = bytes.number(20, 4);
  facts.bits = bytes.at(24);
  const int colour = bytes.at(25);
  facts.png_grey_alpha = colour == 4;
  constexpr std::array<int, 7> kChannels{1, 0, 3, 1, 2, 0, 4};
  check(colour <= 6 && kChannels[static_cast<std::size_t>(colour)] > 0, "{}: unknown PNG colour type {}", bytes.file(),
        colour);
  const auto channels = kChannels[static_cast<std::size_t>(colour)];
  const double needed =
      static_cast<double>(facts.width) * static_cast<double>(facts.height) * channels * facts.bits / 8;
  check(needed <= 1032.0 * static_cast<double>(bytes.size()) + 65536,
        "{}: the PNG promises {} x {} pixels, more than its {} bytes can hold; it is damaged", bytes.file(),
        facts.width, facts.height, bytes.size());
  for (std::size_t at = 8; colour == 3 && facts.palette.empty();) {
    const auto length = static_cast<std::size_t>(bytes.number(at, 4));
    if (bytes.starts_with("PLTE", 4, at + 4)) {
      for (std::size_t i = 0; i + 2 < length; i += 3) {
        facts.palette.push_back({bytes.at(at + 8 + i), bytes.at(at + 9 + i), bytes.at(at + 10 + i)});
      }
    }
    at += length + 12;
  }
  return facts;
}

PAM_FUNC PictureFacts jpeg_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  facts.format = PictureFormat::Jpeg;
  for (std::size_t at = 2;;) {
    check(bytes.at(at) == 0xFF, "{}: the JPEG is damaged at byte {}", bytes.file(), at);
    const int marker = bytes.at(at + 1);
    if (marker == 0xD9) break;
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {  // markers without content
      at += 2;
      continue;
    }
    const bool is_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame) {
      facts.height = bytes.number(at + 5, 2);
      facts.width = bytes.number(at + 7, 2);
    }
    at += 2 + static_cast<std::size_t>(bytes.number(at + 2, 2));
    if (marker != 0xDA) continue;
    // Coded data: up to the next FF that is neither stuffed (FF 00) nor a restart marker.
    while (bytes.at(at) != 0xFF || bytes.at(at + 1) == 0 || (bytes.at(at + 1) >= 0xD0 && bytes.at(at + 1) <= 0xD7))
      ++at;
  }
  check(facts.width > 0 && facts.height > 0, "{}: the JPEG holds no picture", bytes.file());
  // A Huffman-coded block of 64 pixels takes at least one bit.
  check(facts.width * facts.height <= 1024 * static_cast<std::int64_t>(bytes.size()),
        "{}: the JPEG promises {} x {} pixels, more than its {} bytes can hold; it is damaged", bytes.file(),
        facts.width, facts.height, bytes.size());
  return facts;
}

PAM_FUNC PictureFacts tiff_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  facts.format = PictureFormat::Tiff;
  const bool big = bytes.at(0) == 'M';
  const auto directory = static_cast<std::size_t>(bytes.number(4, 4, big));
  const auto entries = static_cast<std::size_t>(bytes.number(directory, 2, big));
  for (std::size_t i = 0; i < entries; ++i) {
    const auto entry = directory + 2 + 12 * i;
    const auto tag = bytes.number(entry, 2, big);
    const auto value = bytes.number(entry + 8, bytes.number(entry + 2, 2, big) == 3 ? 2 : 4, big);
    if (tag == 256) facts.width = value;
    if (tag == 257) facts.height = value;
    // Several numbers per pixel: the entry points to their bits, which are then at least 8 each.
    if (tag == 258 && bytes.number(entry + 4, 4, big) == 1) facts.bits = static_cast<int>(value);
    if (tag == 262) facts.white_is_zero = value == 0;
  }
  check(facts.width > 0 && facts.height > 0, "{}: the TIFF holds no picture", bytes.file());
  check(bytes.number(directory + 2 + 12 * entries, 4, big) == 0,
        "{}: the TIFF holds several pages; save a stack as NIfTI, or its pages as separate files", bytes.file());
  check(static_cast<double>(facts.width) * static_cast<double>(facts.height) <=
            8256.0 * static_cast<double>(bytes.size()),
        "{}: the TIFF promises {} x {} pixels, more than its {} bytes can hold; it is damaged", bytes.file(),
        facts.width, facts.height, bytes.size());
  return facts;
}

PAM_FUNC PictureFacts picture_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n", 8)) {
    facts = png_facts(bytes);
  } else if (bytes.starts_with("\xff\xd8", 2)) {
    facts = jpeg_facts(bytes);
  } else if (bytes.starts_with("II*\0", 4) || bytes.starts_with("MM\0*", 4)) {
    facts = tiff_facts(bytes);
  } else {
    fail("{}: is not a PNG, JPEG or TIFF picture ({} bytes); convert it to PNG", bytes.file(), bytes.size());
  }
  check(facts.width > 0 && facts.height > 0 && facts.width <= (1 << 20) && facts.height <= (1 << 20) &&
            facts.width * facts.height <= (std::int64_t{1} << 28),
        "{}: {} x {} pixels are more than pam reads (2^28), or none", bytes.file(), facts.width, facts.height);
  return facts;
}

}  // namespace pam::detail
