// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/mask_border.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace pam {

namespace detail {

/// Steps to the neighbours in a volume of `sizes`. Axes of length 1 are left out, unless every axis has length 1.
PAM_FUNC std::vector<std::array<std::int64_t, 3>> neighbour_steps(const std::array<std::int64_t, 3>& sizes,
                                                                  Connectivity connectivity) {
  const bool point = sizes[0] * sizes[1] * sizes[2] == 1;
  std::vector<std::array<std::int64_t, 3>> steps;
  for (std::int64_t code = 0; code < 27; ++code) {
    const std::array<std::int64_t, 3> step{code / 9 - 1, code / 3 % 3 - 1, code % 3 - 1};
    std::int64_t moved = 0;
    bool along_axes = true;
    for (std::size_t a = 0; a < 3; ++a) {
      moved += step[a] != 0;
      along_axes = along_axes && (step[a] == 0 || sizes[a] > 1 || point);
    }
    if (moved > 0 && along_axes && (moved == 1 || connectivity == Connectivity::Full)) steps.push_back(step);
  }
  return steps;
}

}  // namespace detail

PAM_FUNC torch::Tensor mask_border(const torch::Tensor& mask, Connectivity connectivity) {
  check(mask.defined() && mask.dim() >= 1 && mask.dim() <= 3 && c10::isIntegralType(mask.scalar_type(), true),
        "mask_border: the mask must have 1 to 3 axes and hold whole numbers or bool, got {} of {}", shape_string(mask),
        mask.defined() ? toString(mask.scalar_type()) : "nothing");
  const auto bytes = mask.detach().ne(0).to(torch::kCPU, torch::kBool).contiguous();
  auto result = torch::zeros_like(bytes);
  std::array<std::int64_t, 3> sizes{1, 1, 1};
  std::copy(mask.sizes().rbegin(), mask.sizes().rend(), sizes.rbegin());
  const auto steps = detail::neighbour_steps(sizes, connectivity);
  const bool* in = bytes.data_ptr<bool>();
  bool* out = result.data_ptr<bool>();
  const auto set = [&](std::int64_t z, std::int64_t y, std::int64_t x) {
    return z >= 0 && z < sizes[0] && y >= 0 && y < sizes[1] && x >= 0 && x < sizes[2] &&
           in[(z * sizes[1] + y) * sizes[2] + x];
  };
  const bool* end = in + bytes.numel();
  for (const bool* voxel = in; (voxel = std::find(voxel, end, true)) != end; ++voxel) {
    const std::int64_t index = voxel - in;
    const auto z = index / (sizes[1] * sizes[2]), y = index / sizes[2] % sizes[1], x = index % sizes[2];
    out[index] = std::any_of(steps.begin(), steps.end(), [&](const std::array<std::int64_t, 3>& step) {
      return !set(z + step[0], y + step[1], x + step[2]);
    });
  }
  return result;
}

}  // namespace pam
