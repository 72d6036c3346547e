// SPDX-License-Identifier: MIT
/// Exact Euclidean distance transform with anisotropic spacing, in linear time.
/// The squared distance separates by axes (Felzenszwalb and Huttenlocher 2012, "Distance Transforms of Sampled
/// Functions", https://doi.org/10.4086/toc.2012.v008a019): along the last axis two scans compute it; along every other
/// axis it is the lower envelope of parabolas, one per voxel.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>
#include <limits>
#include <vector>

namespace pam {

namespace detail {

constexpr double kFar = std::numeric_limits<double>::infinity();

/// `spacing` as one positive number per axis; empty means 1 for each. `who` names the function in messages.
std::vector<double> checked_spacing(torch::ArrayRef<double> spacing, std::int64_t axes, const char* who);

}  // namespace detail

/// The distance of each non-zero entry of `mask` to the nearest zero entry, 0 at zero entries, +infinity where there is
/// no zero entry: what scipy.ndimage.distance_transform_edt(mask, sampling=spacing) gives. `mask`: 1-D, 2-D or 3-D,
/// whole numbers or bool. `spacing`: the distance of neighbours along each axis, in the tensor's order (empty: 1). ->
/// float64 of the mask's shape, on the CPU. O(voxels). Throws on other masks and spacings.
[[nodiscard]] torch::Tensor distance_transform(const torch::Tensor& mask, torch::ArrayRef<double> spacing = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/distance_transform-inl.hpp>
#endif
