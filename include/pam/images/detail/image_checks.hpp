// SPDX-License-Identifier: MIT
/// Internals of images/image.hpp: what the header of a PNG, JPEG or TIFF file says, checked before the file is decoded.
/// Decoders return half a JPEG without an error, allocate whatever a header asks for, and turn palette indices into
/// colours; these checks prevent that.
#pragma once

#include <pam/core/error.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace pam::detail {

enum class PictureFormat { Png, Jpeg, Tiff };

/// The facts that pam needs before decoding.
struct PictureFacts {
  PictureFormat format = PictureFormat::Png;
  std::int64_t width = 0, height = 0;
  int bits = 8;                                       ///< of one number in a PNG or TIFF: 1, 2, 4, 8, 16 (TIFF: or 32)
  bool white_is_zero = false;                         ///< a grey TIFF that stores its values inverted
  bool png_grey_alpha = false;                        ///< decoders widen grey + alpha to four channels
  std::vector<std::array<unsigned char, 3>> palette;  ///< of a palette PNG: the (r, g, b) of each index
};

/// More than any picture of 2^28 pixels takes (four 16-bit numbers each): what is larger is not read into memory.
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 31;

/// Bytes with bounds: reading past the end is an `Error` that says that the file is cut short.
class PictureBytes {
 public:
  explicit PictureBytes(const std::filesystem::path& path) : file_(path.string()) {
    check(std::filesystem::exists(path), "{}: no such file", file_);
    check(std::filesystem::is_regular_file(path), "{}: is a folder or device, not a picture", file_);
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    check(stream.good(), "{}: cannot be opened; check its permissions", file_);
    const auto size = static_cast<std::int64_t>(stream.tellg());
    stream.seekg(0);
    check(size <= kMaxBytes, "{}: holds {} bytes, more than pam reads of a picture ({}); is it a picture?", file_, size,
          kMaxBytes);
    bytes_.resize(static_cast<std::size_t>(size));
    stream.read(reinterpret_cast<char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
    check(stream.gcount() == static_cast<std::streamsize>(bytes_.size()), "{}: cannot be read to its end", file_);
  }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::vector<unsigned char>& all() const { return bytes_; }
  [[nodiscard]] bool starts_with(const char* magic, std::size_t length, std::size_t at = 0) const {
    return bytes_.size() >= at + length && std::memcmp(bytes_.data() + at, magic, length) == 0;
  }
  [[nodiscard]] unsigned char at(std::size_t position) const {
    check(position < bytes_.size(), "{}: the picture is cut short after {} bytes; fetch or write it again", file_,
          bytes_.size());
    return bytes_[position];
  }
  /// A number of `count` bytes.
  [[nodiscard]] std::int64_t number(std::size_t position, int count, bool big_endian = true) const {
    std::int64_t value = 0;
    for (int i = 0; i < count; ++i) {
      value = value << 8 | at(position + static_cast<std::size_t>(big_endian ? i : count - 1 - i));
    }
    return value;
  }

 private:
  std::string file_;
  std::vector<unsigned char> bytes_;
};

/// PNG: the header, the palette, and the rule that deflate grows data by 1032 at most.
inline PictureFacts png_facts(const PictureBytes& bytes) {
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

/// JPEG: walks the segments to the end-of-image marker, because decoders fill a missing rest with grey.
inline PictureFacts jpeg_facts(const PictureBytes& bytes) {
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

/// TIFF: the sizes of the first page, and that it is the only one.
inline PictureFacts tiff_facts(const PictureBytes& bytes) {
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
    // Several numbers a pixel: the entry points to their bits, which are then at least 8 each.
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

/// The facts of a PNG, JPEG or TIFF; throws for anything else, for damage, and beyond 2^28 pixels.
inline PictureFacts picture_facts(const PictureBytes& bytes) {
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
