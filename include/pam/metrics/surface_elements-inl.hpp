// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/confusion.hpp>
#include <pam/metrics/detail/directed_distances.hpp>
#include <pam/metrics/detail/element_sizes.hpp>
#include <pam/metrics/distance_transform.hpp>
#include <pam/metrics/surface_elements.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace pam {
namespace detail {

/// For each cell of a mask (bool, contiguous, 2-D or 3-D) the set of its corners inside, as bytes; one cell more than
/// voxels along each axis.
PAM_FUNC torch::Tensor cell_corners(const torch::Tensor& mask) {
  const std::int64_t deep = mask.dim() == 3 ? 1 : 0, height = mask.size(-2), width = mask.size(-1);
  auto sizes = mask.sizes().vec();
  for (auto& size : sizes) ++size;
  auto result = torch::zeros(sizes, torch::kByte);
  auto* cells = result.data_ptr<std::uint8_t>();
  const bool* begin = mask.data_ptr<bool>();
  const bool* end = begin + mask.numel();
  for (const bool* voxel = begin; (voxel = std::find(voxel, end, true)) != end; ++voxel) {
    const std::int64_t index = voxel - begin;
    const auto z = index / (height * width), y = index / width % height, x = index % width;
    for (int corner = 0; corner < (deep != 0 ? 8 : 4); ++corner) {
      const auto cell_z = z + deep - (corner >> 2 & 1), cell_y = y + 1 - (corner >> 1 & 1),
                 cell_x = x + 1 - (corner & 1);
      auto& cell = cells[(cell_z * (height + 1) + cell_y) * (width + 1) + cell_x];
      cell = static_cast<std::uint8_t>(cell | 1 << corner);
    }
  }
  return result;
}

/// `mask` on the CPU as bool, without axes of length 1 beyond the last two that are left.
PAM_FUNC torch::Tensor flattened_mask(const torch::Tensor& mask, std::vector<double>& steps) {
  auto result = mask.detach().ne(0).to(torch::kCPU, torch::kBool);
  for (std::int64_t axis = 0; axis < result.dim() && result.dim() > 2;) {
    if (result.size(axis) == 1) {
      result = result.squeeze(axis);
      steps.erase(steps.begin() + axis);
    } else {
      ++axis;
    }
  }
  return result.contiguous();
}

}  // namespace detail

PAM_FUNC SurfaceElementPair surface_elements(const torch::Tensor& prediction, const torch::Tensor& truth,
                                             torch::ArrayRef<double> spacing) {
  detail::check_masks(prediction, truth);
  check(prediction.dim() == 2 || prediction.dim() == 3,
        "surface_elements: masks must be (H, W) or (D, H, W), one case at a time, got {}", shape_string(prediction));
  const auto all_steps =
      detail::decimal_spacing(detail::checked_spacing(spacing, prediction.dim(), "surface_elements"));
  auto steps = all_steps, same_steps = all_steps;
  auto predicted = detail::flattened_mask(prediction, steps), expected = detail::flattened_mask(truth, same_steps);
  const auto a = detail::extent_of(predicted), b = detail::extent_of(expected);
  if (a.points == 0 && b.points == 0) return {};
  predicted = detail::cell_corners(detail::cropped(predicted, a, b).contiguous());
  expected = detail::cell_corners(detail::cropped(expected, a, b).contiguous());
  const auto sizes = detail::element_sizes(steps);
  const auto surface = [&](const torch::Tensor& cells) {
    return cells.ne(0).logical_and(cells.ne(static_cast<std::int64_t>(sizes.size()) - 1));
  };
  const auto elements = [&](const torch::Tensor& cells, const torch::Tensor& other) {
    SurfaceElements result;
    result.distances = detail::directed_distances(surface(cells), surface(other), steps);
    const auto corners = cells.masked_select(surface(cells));
    const auto* codes = corners.data_ptr<std::uint8_t>();
    for (std::int64_t i = 0; i < corners.numel(); ++i) result.sizes.push_back(sizes[codes[i]]);
    return result;
  };
  return {elements(predicted, expected), elements(expected, predicted)};
}

PAM_FUNC std::optional<double> normalised_surface_dice(const SurfaceElementPair& surfaces, double tolerance) {
  check(std::isfinite(tolerance) && tolerance >= 0,
        "normalised_surface_dice: the tolerance must be finite and not negative, got {}", tolerance);
  double near = 0, all = 0;
  for (const auto* surface : {&surfaces.prediction, &surfaces.truth}) {
    for (std::size_t i = 0; i < surface->sizes.size(); ++i) {
      all += surface->sizes[i];
      if (detail::within(surface->distances[i], tolerance)) near += surface->sizes[i];
    }
  }
  if (all == 0) return std::nullopt;
  return near / all;
}

}  // namespace pam
