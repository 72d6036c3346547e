// SPDX-License-Identifier: MIT
#pragma once

#include <pam/images/image_resize.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pam {
namespace detail {

/// The pixels from `first` on that one new pixel is made of, and their weights, which sum to 1.
struct ResizeTaps {
  std::int64_t first;
  std::vector<double> weights;
};

/// One axis of `from` pixels as `to` pixels.
PAM_FUNC std::vector<ResizeTaps> resize_taps(std::int64_t from, std::int64_t to) {
  std::vector<ResizeTaps> taps;
  const auto scale = static_cast<double>(from) / static_cast<double>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    if (to >= from) {
      const auto at = std::clamp((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0, static_cast<double>(from - 1));
      const auto first = std::min(static_cast<std::int64_t>(at), std::max<std::int64_t>(from - 2, 0));
      const auto share = at - static_cast<double>(first);
      taps.push_back({first, share > 0 ? std::vector<double>{1 - share, share} : std::vector<double>{1}});
      continue;
    }
    // The new pixel covers [i, i + 1) · from / to; in integers, in units of 1 / to of an old pixel.
    ResizeTaps area{i * from / to, {}};
    for (auto pixel = area.first; pixel * to < (i + 1) * from; ++pixel) {
      const auto covered = std::min((pixel + 1) * to, (i + 1) * from) - std::max(pixel * to, i * from);
      area.weights.push_back(static_cast<double>(covered) / static_cast<double>(from));
    }
    taps.push_back(std::move(area));
  }
  return taps;
}

}  // namespace detail

PAM_FUNC torch::Tensor resize_image(const torch::Tensor& image, std::int64_t height, std::int64_t width) {
  check(image.defined() && image.dim() == 3 && image.numel() > 0, "resize_image: the image must be (C, H, W), got {}",
        shape_string(image));
  check(height > 0 && width > 0 && height < 32768 && width < 32768,
        "resize_image: the new size must be 1 to 32767, got {} x {}", height, width);
  if (image.size(1) == height && image.size(2) == width) return image;
  const auto source = image.to(torch::kFloat).contiguous();
  const auto stored_width = static_cast<std::size_t>(image.size(2));
  auto result = torch::empty({image.size(0), height, width}, torch::kFloat);
  const auto rows = detail::resize_taps(image.size(1), height), columns = detail::resize_taps(image.size(2), width);
  std::vector<double> line(stored_width);
  auto* target = result.data_ptr<float>();
  for (std::int64_t channel = 0; channel < image.size(0); ++channel) {
    const auto* plane = source.data_ptr<float>() + channel * image.size(1) * image.size(2);
    for (const auto& row : rows) {
      std::fill(line.begin(), line.end(), 0.0);
      const auto* from = plane + row.first * image.size(2);
      for (const auto weight : row.weights) {
        for (std::size_t x = 0; x < stored_width; ++x) line[x] += weight * static_cast<double>(from[x]);
        from += image.size(2);
      }
      for (const auto& column : columns) {
        double sum = 0;
        const auto* value = line.data() + column.first;
        for (const auto weight : column.weights) sum += weight * *value++;
        *target++ = static_cast<float>(sum);
      }
    }
  }
  return image.is_floating_point() ? result.to(image.scalar_type()) : result.round_().to(image.scalar_type());
}

}  // namespace pam
