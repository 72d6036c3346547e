// SPDX-License-Identifier: MIT
/// Resizing of pictures before training, with LibTorch only: images without aliasing. Labels: images/resize_labels.hpp.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>

namespace pam {

/// Resizes an image (C, H, W) of any type; integers are rounded. Where an axis shrinks, each new pixel is the mean of
/// the area that it covers (no aliasing); where it grows, bilinear with pixel centres aligned (align_corners = false).
/// What OpenCV's INTER_AREA and INTER_LINEAR compute, with sums in double.
torch::Tensor resize_image(const torch::Tensor& image, std::int64_t height, std::int64_t width);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/image_resize-inl.hpp>
#endif
