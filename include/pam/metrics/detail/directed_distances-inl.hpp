// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/error.hpp>
#include <pam/metrics/detail/directed_distances.hpp>
#include <pam/metrics/distance_transform.hpp>

#include <algorithm>
#include <cstdlib>

namespace pam::detail {

PAM_FUNC Extent extent_of(const torch::Tensor& mask) {
  const auto height = mask.dim() > 1 ? mask.size(-2) : 1, width = mask.size(-1);
  const bool* begin = mask.data_ptr<bool>();
  const bool* end = begin + mask.numel();
  Extent extent;
  for (const bool* voxel = begin; (voxel = std::find(voxel, end, true)) != end; ++voxel) {
    const std::int64_t index = voxel - begin;
    const std::array<std::int64_t, 3> at{index / (width * height), index / width % height, index % width};
    for (std::size_t a = 0; a < 3; ++a) {
      extent.first[a] = extent.points == 0 ? at[a] : std::min(extent.first[a], at[a]);
      extent.last[a] = std::max(extent.last[a], at[a]);
    }
    ++extent.points;
  }
  return extent;
}

PAM_FUNC torch::Tensor cropped(torch::Tensor mask, const Extent& a, const Extent& b) {
  for (std::int64_t axis = 0; axis < mask.dim(); ++axis) {
    const auto i = static_cast<std::size_t>(axis + 3 - mask.dim());
    mask = mask.slice(axis, std::min(a.first[i], b.first[i]), std::max(a.last[i], b.last[i]) + 1);
  }
  return mask;
}

PAM_FUNC std::vector<double> directed_distances(const torch::Tensor& from, const torch::Tensor& to,
                                                torch::ArrayRef<double> spacing) {
  const auto distances = distance_transform(to.logical_not(), spacing).masked_select(from);
  const auto* data = distances.data_ptr<double>();
  return {data, data + distances.numel()};
}

PAM_FUNC std::vector<double> decimal_spacing(std::vector<double> spacing) {
  for (double& size : spacing) {
    const double decimal = std::strtod(formatted("{:.6g}", size).c_str(), nullptr);
    if (static_cast<float>(decimal) == static_cast<float>(size)) size = decimal;
  }
  return spacing;
}

PAM_FUNC bool within(double distance, double limit) { return distance <= limit * (1 + 1e-5); }

}  // namespace pam::detail
