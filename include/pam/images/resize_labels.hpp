// SPDX-License-Identifier: MIT
/// Resizing of labels, with LibTorch only: nearest neighbour, so that no value appears that was not there.
#pragma once

#include <pam/core/error.hpp>

#include <cstdint>

namespace pam {

/// Resizes labels (…, H, W) of any type: each new pixel takes the value of the pixel under its centre.
/// (`interpolate` with `kNearest` takes the corner instead, which shifts labels by up to half a pixel.)
torch::Tensor resize_labels(const torch::Tensor& labels, std::int64_t height, std::int64_t width);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/resize_labels-inl.hpp>
#endif
