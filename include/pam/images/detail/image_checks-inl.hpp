// SPDX-License-Identifier: MIT
/// The definitions of image_checks.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/image_checks.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace pam::detail {

PAM_FUNC int exif_orientation(const PictureBytes& bytes, std::size_t start, std::size_t length) {
  constexpr int kOrientation = 0x0112;
  if (length >= 6 && bytes.starts_with("Exif\0\0", 6, start)) start += 6, length -= 6;
  const bool big = bytes.starts_with("MM\0*", 4, start);
  if (length < 8 || (!big && !bytes.starts_with("II*\0", 4, start))) return 1;
  const auto directory = static_cast<std::size_t>(bytes.number(start + 4, 4, big));
  if (directory + 2 > length) return 1;
  const auto entries = static_cast<std::size_t>(bytes.number(start + directory, 2, big));
  for (std::size_t i = 0; i < entries && directory + 2 + 12 * (i + 1) <= length; ++i) {
    const auto entry = start + directory + 2 + 12 * i;
    if (bytes.number(entry, 2, big) != kOrientation) continue;
    const auto value = bytes.number(entry + 8, 2, big);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// The palette, which has to be there if `needs_palette`, and the orientation of a PNG.
PAM_FUNC void read_png_chunks(const PictureBytes& bytes, bool needs_palette, PictureFacts& facts) {
  for (std::size_t at = 8; needs_palette || at + 12 <= bytes.size();) {
    const auto length = static_cast<std::size_t>(bytes.number(at, 4));
    if (bytes.starts_with("PLTE", 4, at + 4) && needs_palette) {
      for (std::size_t i = 0; i + 2 < length; i += 3) {
        facts.palette.push_back({bytes.at(at + 8 + i), bytes.at(at + 9 + i), bytes.at(at + 10 + i)});
      }
      needs_palette = facts.palette.empty();
    }
    if (bytes.starts_with("eXIf", 4, at + 4) && at + 12 + length <= bytes.size()) {
      facts.orientation = exif_orientation(bytes, at + 8, length);
    }
    at += length + 12;
  }
}

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
  read_png_chunks(bytes, colour == 3, facts);
  return facts;
}

PAM_FUNC PictureFacts jpeg_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  facts.format = PictureFormat::Jpeg;
  facts.lossy = true;
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
    if (marker == 0xE1 && bytes.starts_with("Exif\0\0", 6, at + 4)) {
      const auto length = static_cast<std::size_t>(bytes.number(at + 2, 2));
      if (length > 2 && at + 2 + length <= bytes.size()) {
        facts.orientation = exif_orientation(bytes, at + 4, length - 2);
      }
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

PAM_FUNC PictureFacts bmp_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  facts.format = PictureFormat::Bmp;
  const auto header = static_cast<std::size_t>(bytes.number(14, 4, false));
  check(header == 12 || (header >= 40 && header <= 124), "{}: field biSize is {}, which no BMP has; it is damaged",
        bytes.file(), header);
  const bool is_old = header == 12;  // OS/2
  facts.width = bytes.number(18, is_old ? 2 : 4, false);
  const auto height = bytes.number(is_old ? 20 : 22, is_old ? 2 : 4, false);
  // A negative height means that the first row is the upper one.
  facts.height = is_old ? height : std::abs(static_cast<std::int64_t>(static_cast<std::int32_t>(height)));
  facts.bits = static_cast<int>(bytes.number(is_old ? 24 : 28, 2, false));
  const auto compression = is_old ? 0 : bytes.number(30, 4, false);
  check(compression == 0 || compression == 3,
        "{}: is a BMP with compression {} (run lengths, or a JPEG or PNG inside), which pam does not read; convert it "
        "to PNG",
        bytes.file(), compression);
  // Rows are filled up to four bytes.
  const auto row = static_cast<double>((facts.width * facts.bits + 31) / 32 * 4);
  check(row * static_cast<double>(facts.height) + static_cast<double>(bytes.number(10, 4, false)) <=
            static_cast<double>(bytes.size()),
        "{}: the BMP promises {} x {} pixels, more than its {} bytes hold; it is cut short or damaged", bytes.file(),
        facts.width, facts.height, bytes.size());
  if (facts.bits > 8) return facts;
  const auto named = is_old ? 0 : bytes.number(46, 4, false);
  const auto colours = named > 0 ? named : std::int64_t{1} << facts.bits;
  check(colours <= (std::int64_t{1} << facts.bits), "{}: the BMP names {} colours for {} bits; it is damaged",
        bytes.file(), colours, facts.bits);
  for (std::size_t i = 0; i < static_cast<std::size_t>(colours); ++i) {
    const auto entry = 14 + header + i * (is_old ? 3 : 4);
    facts.palette.push_back({bytes.at(entry + 2), bytes.at(entry + 1), bytes.at(entry)});
  }
  return facts;
}

PAM_FUNC PictureFacts webp_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  facts.format = PictureFormat::WebP;
  const auto size = static_cast<std::size_t>(bytes.number(4, 4, false)) + 8;
  check(size <= bytes.size(), "{}: the WebP is cut short after {} of {} bytes; fetch or write it again", bytes.file(),
        bytes.size(), size);
  for (std::size_t at = 12; at + 8 <= size;) {
    const auto length = static_cast<std::size_t>(bytes.number(at + 4, 4, false));
    const auto data = at + 8;
    check(length <= size - data, "{}: a part of the WebP ends behind the file; it is damaged", bytes.file());
    if (bytes.starts_with("VP8X", 4, at)) {
      check((bytes.at(data) & 2) == 0, "{}: is an animated WebP; save its frames as separate files", bytes.file());
    } else if (bytes.starts_with("VP8 ", 4, at)) {
      facts.lossy = true;
      facts.width = bytes.number(data + 6, 2, false) & 0x3FFF;
      facts.height = bytes.number(data + 8, 2, false) & 0x3FFF;
    } else if (bytes.starts_with("VP8L", 4, at)) {
      const auto sizes = bytes.number(data + 1, 4, false);
      facts.width = (sizes & 0x3FFF) + 1;
      facts.height = (sizes >> 14 & 0x3FFF) + 1;
    } else if (bytes.starts_with("EXIF", 4, at)) {
      facts.orientation = exif_orientation(bytes, data, length);
    }
    at = data + length + length % 2;
  }
  check(facts.width > 0 && facts.height > 0, "{}: the WebP holds no picture", bytes.file());
  return facts;
}

/// The directory of a TIFF's first page: entries of 12 bytes, of BigTIFF 20.
class TiffDirectory {
 public:
  explicit TiffDirectory(const PictureBytes& bytes)
      : bytes_(bytes), big_endian_(bytes.at(0) == 'M'), wide_(bytes.number(2, 2, big_endian_) == 43) {
    start_ = position(number(wide_ ? 8 : 4, wide_ ? 8 : 4));
    entries_ = position(number(start_, wide_ ? 8 : 2));
    check(entries_ <= bytes.size(), "{}: the TIFF's directory is damaged", bytes.file());
    start_ += wide_ ? 8 : 2;
  }
  [[nodiscard]] bool big_endian() const { return big_endian_; }
  [[nodiscard]] bool is_big_tiff() const { return wide_; }
  [[nodiscard]] std::int64_t next_page() const { return number(start_ + entries_ * entry_size(), wide_ ? 8 : 4); }
  /// The numbers of `tag`; empty where the page has no such entry.
  [[nodiscard]] std::vector<std::int64_t> values(int tag) const {
    for (std::size_t i = 0; i < entries_; ++i) {
      const auto entry = start_ + i * entry_size();
      if (number(entry, 2) == tag) return values_at(entry);
    }
    return {};
  }
  [[nodiscard]] std::int64_t value(int tag, std::int64_t otherwise) const {
    const auto found = values(tag);
    return found.empty() ? otherwise : found.front();
  }

 private:
  [[nodiscard]] std::size_t entry_size() const { return wide_ ? 20 : 12; }
  [[nodiscard]] std::int64_t number(std::size_t at, int count) const { return bytes_.number(at, count, big_endian_); }
  [[nodiscard]] std::size_t position(std::int64_t value) const {
    check(value >= 0 && static_cast<std::size_t>(value) <= bytes_.size(),
          "{}: the TIFF points behind its {} bytes; it is cut short or damaged", bytes_.file(), bytes_.size());
    return static_cast<std::size_t>(value);
  }
  [[nodiscard]] std::vector<std::int64_t> values_at(std::size_t entry) const {
    const auto type = number(entry + 2, 2);
    const int size = type == 3 ? 2 : type == 4 ? 4 : type == 16 ? 8 : 1;
    const auto count = position(number(entry + 4, wide_ ? 8 : 4));
    auto at = entry + (wide_ ? 12 : 8);
    if (count * static_cast<std::size_t>(size) > (wide_ ? 8U : 4U)) at = position(number(at, wide_ ? 8 : 4));
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(number(at + i * static_cast<std::size_t>(size), size));
    return values;
  }

  const PictureBytes& bytes_;
  bool big_endian_, wide_;
  std::size_t start_ = 0, entries_ = 0;
};

PAM_FUNC TiffPage tiff_page(const TiffDirectory& directory, std::int64_t width, std::int64_t height) {
  const auto number = [&](int tag, std::int64_t otherwise) {
    return static_cast<int>(directory.value(tag, otherwise));
  };
  TiffPage page;
  page.big_endian = directory.big_endian();
  page.is_big_tiff = directory.is_big_tiff();
  page.compression = number(259, 1);
  page.predictor = number(317, 1);
  page.planar = number(284, 1);
  page.fill_order = number(266, 1);
  page.photometric = number(262, 1);
  page.samples = number(277, 1);
  page.sample_format = number(339, 1);
  page.is_tiled = directory.value(322, 0) > 0;
  page.block_width = page.is_tiled ? directory.value(322, 0) : width;
  page.block_height = page.is_tiled ? directory.value(323, 0) : std::min(directory.value(278, height), height);
  page.offsets = directory.values(page.is_tiled ? 324 : 273);
  page.counts = directory.values(page.is_tiled ? 325 : 279);
  if (page.photometric == 3) page.colours = directory.values(320);
  return page;
}

PAM_FUNC PictureFacts tiff_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  facts.format = PictureFormat::Tiff;
  const TiffDirectory directory(bytes);
  facts.width = directory.value(256, 0);
  facts.height = directory.value(257, 0);
  facts.bits = static_cast<int>(directory.value(258, 1));
  check(facts.width > 0 && facts.height > 0, "{}: the TIFF holds no picture", bytes.file());
  check(directory.next_page() == 0,
        "{}: the TIFF holds several pages; save a stack as NIfTI, or its pages as separate files", bytes.file());
  check(static_cast<double>(facts.width) * static_cast<double>(facts.height) <=
            8256.0 * static_cast<double>(bytes.size()),
        "{}: the TIFF promises {} x {} pixels, more than its {} bytes can hold; it is damaged", bytes.file(),
        facts.width, facts.height, bytes.size());
  facts.tiff = tiff_page(directory, facts.width, facts.height);
  facts.white_is_zero = facts.tiff.photometric == 0;
  const auto orientation = directory.value(274, 1);
  facts.orientation = orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  return facts;
}

PAM_FUNC PictureFacts picture_facts(const PictureBytes& bytes) {
  PictureFacts facts;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n", 8)) {
    facts = png_facts(bytes);
  } else if (bytes.starts_with("\xff\xd8", 2)) {
    facts = jpeg_facts(bytes);
  } else if (bytes.starts_with("II*\0", 4) || bytes.starts_with("MM\0*", 4) || bytes.starts_with("II+\0", 4) ||
             bytes.starts_with("MM\0+", 4)) {
    facts = tiff_facts(bytes);
  } else if (bytes.starts_with("BM", 2) && bytes.size() > 26) {
    facts = bmp_facts(bytes);
  } else if (bytes.starts_with("RIFF", 4) && bytes.starts_with("WEBP", 4, 8)) {
    facts = webp_facts(bytes);
  } else {
    fail("{}: is not a PNG, JPEG or TIFF picture, nor a BMP or WebP ({} bytes); convert it to PNG", bytes.file(),
         bytes.size());
  }
  check(facts.width > 0 && facts.height > 0 && facts.width <= (1 << 20) && facts.height <= (1 << 20) &&
            facts.width * facts.height <= (std::int64_t{1} << 28),
        "{}: {} x {} pixels are more than pam reads (2^28), or none", bytes.file(), facts.width, facts.height);
  return facts;
}

}  // namespace pam::detail
