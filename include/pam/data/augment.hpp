// SPDX-License-Identifier: MIT
/// Random flips and noise for training samples.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/detail/random.hpp>
#include <pam/data/sample.hpp>

#include <algorithm>
#include <cstdint>

namespace pam {

/// The random changes of each sample. Default: none (the paper's recipe flips horizontally with probability 0.5).
struct AugmentOptions {
  double flip_horizontal = 0;  ///< probability of mirroring left and right (the last axis)
  double flip_vertical = 0;    ///< probability of mirroring top and bottom
  double noise = 0;            ///< standard deviation of Gaussian noise, in units of the image as the net sees it
};

/// Throws where a probability or the noise is out of range.
inline void check_augment(const AugmentOptions& options) {
  for (const double share : {options.flip_horizontal, options.flip_vertical}) {
    check(share >= 0 && share <= 1, "augmentation: flip probabilities must be in [0, 1], got {}", share);
  }
  check(options.noise >= 0, "augmentation: noise is a standard deviation and must not be negative, got {}",
        options.noise);
}

namespace detail {

/// Mirrors planes of `height` × `width` in place. Plain loops: data threads must not start LibTorch's thread pool.
template <typename T>
void flip_planes(T* data, std::int64_t planes, std::int64_t height, std::int64_t width, bool horizontal,
                 bool vertical) {
  for (std::int64_t plane = 0; plane < planes; ++plane, data += height * width) {
    for (std::int64_t row = 0; horizontal && row < height; ++row)
      std::reverse(data + row * width, data + (row + 1) * width);
    for (std::int64_t row = 0; vertical && row < height / 2; ++row) {
      std::swap_ranges(data + row * width, data + (row + 1) * width, data + (height - 1 - row) * width);
    }
  }
}

}  // namespace detail

/// Applies what `random` draws to a sample, in place (the tensors must be contiguous and belong to the sample alone).
/// The same numbers are drawn whatever the options, so that one augmentation does not change the draws of the others.
inline void augment(Sample& sample, const AugmentOptions& options, SampleRandom random) {
  const bool horizontal = random.uniform() < options.flip_horizontal;
  const bool vertical = random.uniform() < options.flip_vertical;
  auto* image = sample.image.data_ptr<float>();
  const auto height = sample.image.size(1), width = sample.image.size(2);
  detail::flip_planes(image, sample.image.size(0), height, width, horizontal, vertical);
  if (sample.labels.defined())
    detail::flip_planes(sample.labels.data_ptr<std::int64_t>(), 1, height, width, horizontal, vertical);
  if (options.noise <= 0) return;
  for (std::int64_t i = 0; i < sample.image.numel(); ++i)
    image[i] += static_cast<float>(options.noise * random.normal());
}

}  // namespace pam
