// SPDX-License-Identifier: MIT
/// Internals of images/image.hpp: what the header of a picture file says, checked before the file is decoded.
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

enum class PictureFormat { Png, Jpeg, Tiff, Bmp, WebP };

/// How the first page of a TIFF file stores its pixels (TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/
/// tiff6.pdf; BigTIFF: https://www.awaresystems.be/imaging/tiff/bigtiff.html).
struct TiffPage {
  bool big_endian = false, is_big_tiff = false, is_tiled = false;
  int compression = 1;                             ///< 1 none, 5 LZW, 8 and 32946 Deflate, 32773 PackBits
  int predictor = 1;                               ///< 2: each number is the difference from its left neighbour
  int planar = 1;                                  ///< 2: one plane after the other
  int fill_order = 1;                              ///< 2: the lowest bit of a byte is first
  int photometric = 1;                             ///< 0 grey with white as 0, 1 grey, 2 RGB, 3 palette
  int samples = 1;                                 ///< numbers per pixel
  int sample_format = 1;                           ///< 1 unsigned, 2 signed, 3 floating point
  std::int64_t block_width = 0, block_height = 0;  ///< of a strip or tile
  std::vector<std::int64_t> offsets, counts;       ///< of the strips or tiles, in bytes
  std::vector<std::int64_t> colours;               ///< of a palette: all reds, all greens, all blues, 0 … 65535
};

/// The facts that pam needs before decoding.
struct PictureFacts {
  PictureFormat format = PictureFormat::Png;
  std::int64_t width = 0, height = 0;
  int bits = 8;                ///< of one number in a PNG or TIFF: 1, 2, 4, 8, 16 (TIFF: or 32)
  bool white_is_zero = false;  ///< a grey TIFF that stores its values inverted
  /// EXIF's number, 1 … 8: how the stored rows and columns are turned or mirrored for display; 1 = not at all.
  int orientation = 1;
  bool lossy = false;                                 ///< JPEG, and WebP that is not lossless
  bool png_grey_alpha = false;                        ///< decoders widen grey + alpha to four channels
  std::vector<std::array<unsigned char, 3>> palette;  ///< of a palette PNG or BMP: the (r, g, b) of each index
  TiffPage tiff;
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
PictureFacts png_facts(const PictureBytes& bytes);

/// JPEG: walks the segments to the end-of-image marker, because decoders fill a missing rest with grey.
PictureFacts jpeg_facts(const PictureBytes& bytes);

/// The orientation that an EXIF block of `length` bytes at `start` gives; 1 where it gives none.
int exif_orientation(const PictureBytes& bytes, std::size_t start, std::size_t length);

/// BMP: the sizes and the palette.
PictureFacts bmp_facts(const PictureBytes& bytes);

/// WebP: the sizes, that the file is whole, and that it is not an animation.
PictureFacts webp_facts(const PictureBytes& bytes);

/// TIFF and BigTIFF: how the first page is stored, and that it is the only one.
PictureFacts tiff_facts(const PictureBytes& bytes);

/// The facts of a PNG, JPEG, TIFF, BMP or WebP; throws for anything else, for damage, and beyond 2^28 pixels.
PictureFacts picture_facts(const PictureBytes& bytes);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/image_checks-inl.hpp>
#endif
