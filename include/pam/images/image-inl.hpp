// SPDX-License-Identifier: MIT
/// The definitions of image.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/images/detail/case_preparation.hpp>
#include <pam/images/detail/image_checks.hpp>
#include <pam/images/detail/tiff_reader.hpp>
#include <pam/images/image.hpp>
#include <pam/images/picture_decoding.hpp>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <filesystem>
#include <string>

namespace pam {

PAM_FUNC bool is_image_name(const std::filesystem::path& path) {
  auto extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".tif" ||
         extension == ".tiff" || extension == ".bmp" || extension == ".webp";
}

namespace detail {

PAM_FUNC cv::Mat decode_picture(const PictureBytes& bytes, const PictureFacts& facts) {
  const PictureDecoding decoding;
  cv::Mat decoded;
  std::string reason = facts.format == PictureFormat::WebP
                           ? "it is damaged, or this OpenCV is built without WebP; convert it to PNG"
                           : "it is damaged or cut short";
  try {
    decoded = cv::imdecode(bytes.all(), cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& exception) {
    reason = exception.err;
  }
  check(!decoded.empty(), "{}: the picture cannot be decoded: {}; fetch or write it again", bytes.file(), reason);
  const auto turned = facts.orientation;
  if (turned >= 5) cv::transpose(decoded, decoded);
  const bool across = turned == 2 || turned == 3 || turned == 6 || turned == 7;
  const bool down = turned == 3 || turned == 4 || turned == 7 || turned == 8;
  if (across || down) cv::flip(decoded, decoded, across && down ? -1 : across ? 1 : 0);
  return decoded;
}

PAM_FUNC torch::Tensor to_planes(const std::string& file, const cv::Mat& mat, std::int64_t channels) {
  switch (mat.depth()) {
    case CV_8U:
      return to_planes<std::uint8_t, std::uint8_t>(mat, channels, torch::kByte);
    case CV_16U:
      return to_planes<std::uint16_t, std::int32_t>(mat, channels, torch::kInt);
    case CV_32F:
      return to_planes<float, float>(mat, channels, torch::kFloat);
    default:
      fail("{}: has pixels of a type that pam does not read; save it with 8 or 16 bits, or as float32", file);
  }
}

PAM_FUNC torch::Tensor decoded_planes(const PictureBytes& bytes, const PictureFacts& facts) {
  const auto mat = decode_picture(bytes, facts);
  return to_planes(bytes.file(), mat, mat.channels() < 3 || facts.png_grey_alpha ? 1 : 3);
}

}  // namespace detail

PAM_FUNC torch::Tensor read_image(const std::filesystem::path& path, std::int64_t channels) {
  check(channels == 0 || channels == 1 || channels == 3, "read_image: channels must be 0 (as stored), 1 or 3, got {}",
        channels);
  const detail::PictureBytes bytes(path);
  const auto facts = detail::picture_facts(bytes);
  const auto planes =
      detail::is_tiff_of_pam(bytes, facts) ? detail::tiff_picture(bytes, facts) : detail::decoded_planes(bytes, facts);
  const bool is_grey = planes.size(0) == 1;
  if (channels == 3 && is_grey) return planes.expand({3, -1, -1}).contiguous();
  return channels == 1 && !is_grey ? detail::to_grey(planes) : planes;
}

namespace detail {

PAM_FUNC cv::Mat checked_picture(const std::string& file, const torch::Tensor& image, const std::string& extension) {
  check(image.defined() && (image.dim() == 2 || image.dim() == 3),
        "{}: a picture is written from (C, H, W) or (H, W), got {}", file, shape_string(image));
  auto planes = image.detach().to(torch::kCPU).contiguous();
  if (planes.dim() == 2) planes = planes.unsqueeze(0);
  check((planes.size(0) == 1 || planes.size(0) == 3) && planes.numel() > 0,
        "{}: a picture has 1 (grey) or 3 (RGB) channels, got shape {}", file, shape_string(image));
  const bool is_tiff = extension == ".tif" || extension == ".tiff";
  switch (planes.scalar_type()) {
    case torch::kByte:
      return to_interleaved<std::uint8_t, std::uint8_t>(planes, CV_8U);
    case torch::kInt: {
      check(is_tiff || extension == ".png", "{}: JPEG holds 8 bits; write 16 bits (int32) as .png or .tif", file);
      const auto low = planes.min().item<int>(), high = planes.max().item<int>();
      check(low >= 0 && high <= 65535, "{}: 16-bit pictures hold 0 … 65535, got {} … {}", file, low, high);
      return to_interleaved<std::int32_t, std::uint16_t>(planes, CV_16U);
    }
    case torch::kFloat:
      check(is_tiff, "{}: only TIFF holds float32; scale to 0 … 255 and convert to uint8, or write .tif", file);
      return to_interleaved<float, float>(planes, CV_32F);
    default:
      fail("{}: pictures are written from uint8 (8 bits), int32 (16 bits) or float32 (TIFF), got {}", file,
           c10::toString(planes.scalar_type()));
  }
}

}  // namespace detail
}  // namespace pam
