// SPDX-License-Identifier: MIT
/// The definitions of resample.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/nifti_geometry.hpp>
#include <pam/images/resample.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace pam {

PAM_FUNC bool same_grid(const NiftiGeometry& a, const NiftiGeometry& b, const std::array<std::int64_t, 3>& size) {
  const double tolerance = 0.1 * *std::min_element(a.spacing.begin(), a.spacing.end());
  for (int corner = 0; corner < 8; ++corner) {  // affine maps: equal at the corners, equal everywhere
    const double x = (corner & 1) != 0 ? static_cast<double>(size[2] - 1) : 0;
    const double y = (corner & 2) != 0 ? static_cast<double>(size[1] - 1) : 0;
    const double z = (corner & 4) != 0 ? static_cast<double>(size[0] - 1) : 0;
    const auto p = to_world(a.affine, x, y, z), q = to_world(b.affine, x, y, z);
    if (std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]) > tolerance) return false;
  }
  return true;
}

namespace detail {

PAM_FUNC float trilinear(const float* volume, const std::array<std::int64_t, 3>& n, double x, double y, double z) {
  const std::array<double, 3> at{z, y, x};
  std::array<std::int64_t, 3> low{};
  std::array<double, 3> part{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto last = static_cast<double>(n[axis] - 1);
    if (at[axis] < -0.5 || at[axis] > last + 0.5) return 0;
    const double inside = std::clamp(at[axis], 0.0, last);
    low[axis] = std::min(static_cast<std::int64_t>(inside), std::max<std::int64_t>(n[axis] - 2, 0));
    part[axis] = inside - static_cast<double>(low[axis]);
  }
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    const std::int64_t dz = corner >> 2 & 1, dy = corner >> 1 & 1, dx = corner & 1;
    const double weight =
        (dz != 0 ? part[0] : 1 - part[0]) * (dy != 0 ? part[1] : 1 - part[1]) * (dx != 0 ? part[2] : 1 - part[2]);
    if (weight == 0) continue;  // also keeps indices inside along axes of length 1
    sum += weight * static_cast<double>(volume[((low[0] + dz) * n[1] + low[1] + dy) * n[2] + low[2] + dx]);
  }
  return static_cast<float>(sum);
}

}  // namespace detail
PAM_FUNC torch::Tensor resample(const torch::Tensor& values, const NiftiGeometry& from, const NiftiGeometry& to,
                                const std::array<std::int64_t, 3>& size) {
  check(values.defined() && values.dim() == 4, "resample: values must be (C, Z, Y, X), got {}", shape_string(values));
  const auto source = values.to(torch::kFloat).contiguous();
  const std::array<std::int64_t, 3> n{source.size(1), source.size(2), source.size(3)};
  const auto to_source = inverse_affine(from.affine);
  auto result = torch::empty({source.size(0), size[0], size[1], size[2]}, torch::kFloat);
  auto* target = result.data_ptr<float>();
  for (std::int64_t channel = 0; channel < source.size(0); ++channel) {
    const auto* volume = source.data_ptr<float>() + channel * n[0] * n[1] * n[2];
    for (std::int64_t z = 0; z < size[0]; ++z) {
      for (std::int64_t y = 0; y < size[1]; ++y) {
        for (std::int64_t x = 0; x < size[2]; ++x) {
          const auto world =
              to_world(to.affine, static_cast<double>(x), static_cast<double>(y), static_cast<double>(z));
          const auto at = to_world(to_source, world[0], world[1], world[2]);
          *target++ = detail::trilinear(volume, n, at[0], at[1], at[2]);
        }
      }
    }
  }
  return result;
}

}  // namespace pam
