// SPDX-License-Identifier: MIT
/// Random flips and noise for training samples.
#pragma once

#include <pam/core/config.hpp>
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
void check_augment(const AugmentOptions& options);

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
void augment(Sample& sample, const AugmentOptions& options, SampleRandom random);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/data/augment-inl.hpp>
#endif
