// SPDX-License-Identifier: MIT
/// Resizing of pictures before training: images without aliasing, labels without new values.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/resize_labels.hpp>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cstdint>

namespace pam {
namespace detail {

/// One channel, float32: the mean over the covered area along axes that shrink, bilinear along axes that grow.
inline cv::Mat resize_plane(const cv::Mat& plane, int height, int width) {
  cv::Mat smaller = plane, result;
  const cv::Size shrunk(std::min(width, plane.cols), std::min(height, plane.rows));
  if (shrunk != plane.size()) cv::resize(plane, smaller, shrunk, 0, 0, cv::INTER_AREA);
  if (smaller.rows == height && smaller.cols == width) return smaller;
  cv::resize(smaller, result, {width, height}, 0, 0, cv::INTER_LINEAR);
  return result;
}

}  // namespace detail

/// Resizes an image (C, H, W) of any type; integers are rounded. Where an axis shrinks, each new pixel is the mean of
/// the area that it covers (no aliasing); where it grows, bilinear with pixel centres aligned (align_corners = false).
inline torch::Tensor resize_image(const torch::Tensor& image, std::int64_t height, std::int64_t width) {
  check(image.defined() && image.dim() == 3 && image.numel() > 0, "resize_image: the image must be (C, H, W), got {}",
        shape_string(image));
  check(height > 0 && width > 0 && height < 32768 && width < 32768,
        "resize_image: the new size must be 1 to 32767, got {} x {}", height, width);
  if (image.size(1) == height && image.size(2) == width) return image;
  const auto source = image.to(torch::kFloat).contiguous();
  auto result = torch::empty({image.size(0), height, width}, torch::kFloat);
  for (std::int64_t channel = 0; channel < image.size(0); ++channel) {
    const cv::Mat plane(static_cast<int>(image.size(1)), static_cast<int>(image.size(2)), CV_32F,
                        source[channel].data_ptr<float>());
    const auto resized = detail::resize_plane(plane, static_cast<int>(height), static_cast<int>(width));
    auto* target = result[channel].data_ptr<float>();
    for (int row = 0; row < resized.rows; ++row, target += width) {
      std::copy_n(resized.ptr<float>(row), width, target);
    }
  }
  return image.is_floating_point() ? result.to(image.scalar_type()) : result.round_().to(image.scalar_type());
}

}  // namespace pam
