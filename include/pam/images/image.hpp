// SPDX-License-Identifier: MIT
/// Reads pictures (PNG, JPEG, TIFF, BMP, WebP; 8 and 16 bit; grey and RGB) as tensors, and writes PNG, JPEG and TIFF,
/// through OpenCV's imgcodecs.
/// Tensors are (C, H, W) in RGB order. Label pictures follow other rules: see images/image_labels.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/images/detail/case_preparation.hpp>
#include <pam/images/detail/image_checks.hpp>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// True for names that end in .png, .jpg, .jpeg, .tif, .tiff, .bmp or .webp (capitals too).
bool is_image_name(const std::filesystem::path& path);

namespace detail {

/// Decodes to rows of interleaved numbers, colours as OpenCV orders them (BGR, BGRA), turned as EXIF says.
cv::Mat decode_picture(const PictureBytes& bytes, const PictureFacts& facts);

/// Interleaved (H, W, stored) → planes (C, H, W): RGB from BGR(A), or grey; alpha is dropped.
template <typename Source, typename Target>
torch::Tensor to_planes(const cv::Mat& mat, std::int64_t channels, torch::Dtype dtype) {
  const std::int64_t stored = mat.channels(), height = mat.rows, width = mat.cols;
  auto planes = torch::empty({channels, height, width}, dtype);
  auto* target = planes.data_ptr<Target>();
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    const auto from = stored >= 3 && channels == 3 ? 2 - channel : std::int64_t{0};
    for (std::int64_t row = 0; row < height; ++row) {
      const auto* line = mat.ptr<Source>(static_cast<int>(row)) + from;
      for (std::int64_t column = 0; column < width; ++column) *target++ = static_cast<Target>(line[column * stored]);
    }
  }
  return planes;
}

torch::Tensor to_planes(const std::string& file, const cv::Mat& mat, std::int64_t channels);

/// A picture decoded by OpenCV, with the channels that it is stored with.
torch::Tensor decoded_planes(const PictureBytes& bytes, const PictureFacts& facts);

}  // namespace detail

/// Reads a picture as (C, H, W): uint8 for 8 bits, int32 (0 … 65535) for 16 bits, float32 for float TIFFs.
/// `channels`: 0 = as stored (1 = grey, 3 = RGB), 1 = grey (luma of RGB), 3 = RGB (grey repeated). An alpha channel is
/// dropped and the colours stay as stored. Where the file has an EXIF (or TIFF) orientation, the picture is turned and
/// mirrored as it is displayed, because masks are drawn on the displayed picture; (H, W) are then those of the display.
/// Throws `Error` naming the file: not PNG, JPEG, TIFF, BMP or WebP, damaged, cut short, several pages, more than 2^28
/// pixels.
torch::Tensor read_image(const std::filesystem::path& path, std::int64_t channels = 0);

/// How `write_image` writes.
struct ImageWriteOptions {
  int jpeg_quality = 95;  ///< 1 … 100
  int png_level = 3;      ///< 0 (fast) … 9 (small)
};

namespace detail {

template <typename Source, typename Target>
cv::Mat to_interleaved(const torch::Tensor& planes, int depth) {
  const auto channels = planes.size(0), height = planes.size(1), width = planes.size(2);
  cv::Mat mat(static_cast<int>(height), static_cast<int>(width), CV_MAKETYPE(depth, static_cast<int>(channels)));
  const auto* source = planes.data_ptr<Source>();
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    const auto to = channels == 3 ? 2 - channel : channel;
    for (std::int64_t row = 0; row < height; ++row) {
      auto* line = mat.ptr<Target>(static_cast<int>(row)) + to;
      for (std::int64_t column = 0; column < width; ++column) line[column * channels] = static_cast<Target>(*source++);
    }
  }
  return mat;
}

/// The picture as OpenCV wants it; `extension` decides what it may hold.
cv::Mat checked_picture(const std::string& file, const torch::Tensor& image, const std::string& extension);

}  // namespace detail

/// Writes a picture, (C, H, W) or (H, W) in RGB order: uint8 as 8 bits, int32 (0 … 65535) as 16 bits (PNG, TIFF),
/// float32 as TIFF. The extension (.png, .jpg, .tif) names the format. Atomic. Throws `Error` naming the file.
inline void write_image(const std::filesystem::path& path, const torch::Tensor& image,
                        const ImageWriteOptions& options = {}) {
  const auto file = path.string();
  auto extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  check(is_image_name(path) && extension != ".bmp" && extension != ".webp", "{}: a picture is named .png, .jpg or .tif",
        file);
  const auto mat = detail::checked_picture(file, image, extension);
  std::vector<unsigned char> encoded;
  bool done = false;
  try {
    // Without a named compression OpenCV stores float TIFFs as SGILOG, which loses digits.
    constexpr int kLzw = 5;
    done = cv::imencode(extension, mat, encoded,
                        {cv::IMWRITE_JPEG_QUALITY, options.jpeg_quality, cv::IMWRITE_PNG_COMPRESSION, options.png_level,
                         cv::IMWRITE_TIFF_COMPRESSION, kLzw});
  } catch (const cv::Exception& exception) {
    fail("{}: the picture cannot be encoded: {}", file, exception.err);
  }
  check(done, "{}: the picture cannot be encoded", file);
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(encoded.data()), static_cast<std::streamsize>(encoded.size()));
  });
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/image-inl.hpp>
#endif
