// SPDX-License-Identifier: MIT
/// What border distances and surface elements share: the part of two masks that matters, directed distances, and how
/// voxel sizes and tolerances are read.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace pam::detail {

/// The true voxels of a mask: how many, and the smallest box [first, last] around them.
struct Extent {
  std::int64_t points = 0;
  std::array<std::int64_t, 3> first{0, 0, 0}, last{0, 0, 0};
};

/// `mask`: contiguous bool on the CPU, at most 3 axes (counted from the last: a picture has its rows in entry 1).
Extent extent_of(const torch::Tensor& mask);

/// The part of `mask` in the smallest box around both extents.
torch::Tensor cropped(torch::Tensor mask, const Extent& a, const Extent& b);

/// Distances from the points of border `from` to the nearest of border `to`.
std::vector<double> directed_distances(const torch::Tensor& from, const torch::Tensor& to,
                                       torch::ArrayRef<double> spacing);

/// Voxel sizes without the tails of float32, in which NIfTI stores them: 1.2000000476837158 is read as 1.2. A size is
/// replaced by a decimal of at most 6 digits where float32 cannot tell the two apart.
std::vector<double> decimal_spacing(std::vector<double> spacing);

/// Whether a distance is at most `limit`, up to a relative 1e-5: more than rounding of voxel sizes and of sums can add,
/// and less than any real difference of distances.
bool within(double distance, double limit);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/metrics/detail/directed_distances-inl.hpp>
#endif
