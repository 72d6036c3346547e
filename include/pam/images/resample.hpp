// SPDX-License-Identifier: MIT
/// Resamples a volume to another volume's grid by their affines: for modalities that are on different grids.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <array>
#include <cstdint>

namespace pam {

/// Whether two grids of one `size` (Z, Y, X) place every voxel at the same position, to a tenth of a voxel.
bool same_grid(const NiftiGeometry& a, const NiftiGeometry& b, const std::array<std::int64_t, 3>& size);

namespace detail {

/// Trilinear value of `volume` (nz, ny, nx) at (x, y, z). Up to half a voxel outside, the nearest value; beyond, 0.
float trilinear(const float* volume, const std::array<std::int64_t, 3>& n, double x, double y, double z);

}  // namespace detail

/// Resamples `values`, (C, Z, Y, X) on the grid `from`, to the grid `to` of `size` (Z, Y, X): trilinear, float32, 0
/// outside the source. There is no low-pass filter: use it for grids of similar resolution, since shrinking by much
/// more than a factor of two aliases.
torch::Tensor resample(const torch::Tensor& values, const NiftiGeometry& from, const NiftiGeometry& to,
                       const std::array<std::int64_t, 3>& size);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/resample-inl.hpp>
#endif
