// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/error.hpp>
#include <pam/inference/largest_component.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

/// Steps to the 26 neighbours of a voxel (8 in one plane).
PAM_FUNC std::vector<std::array<std::int64_t, 3>> neighbour_steps() {
  std::vector<std::array<std::int64_t, 3>> steps;
  for (std::int64_t z = -1; z <= 1; ++z) {
    for (std::int64_t y = -1; y <= 1; ++y) {
      for (std::int64_t x = -1; x <= 1; ++x) {
        if (z != 0 || y != 0 || x != 0) steps.push_back({z, y, x});
      }
    }
  }
  return steps;
}

}  // namespace detail

PAM_FUNC torch::Tensor largest_component(const torch::Tensor& labels) {
  check(labels.defined() && labels.dim() == 3 && !labels.is_floating_point(),
        "largest_component: labels must be integers (D, H, W), got {}", shape_string(labels));
  const auto values = labels.to(torch::kLong).contiguous();
  const auto depth = values.size(0), height = values.size(1), width = values.size(2);
  const auto* value = values.data_ptr<std::int64_t>();
  std::vector<std::int32_t> part(static_cast<std::size_t>(values.numel()), 0);  // 0 = not visited
  const auto steps = detail::neighbour_steps();
  std::int32_t parts = 0;
  std::map<std::int64_t, std::pair<std::int64_t, std::int32_t>> largest;  // class -> (voxels, part)
  std::vector<std::int64_t> open;
  for (std::int64_t start = 0; start < values.numel(); ++start) {
    if (value[start] <= 0 || part[static_cast<std::size_t>(start)] != 0) continue;
    std::int64_t voxels = 0;
    part[static_cast<std::size_t>(start)] = ++parts;
    open.assign(1, start);
    while (!open.empty()) {
      const auto at = open.back();
      open.pop_back();
      ++voxels;
      const auto z = at / (height * width), y = at / width % height, x = at % width;
      for (const auto& step : steps) {
        const auto nz = z + step[0], ny = y + step[1], nx = x + step[2];
        if (nz < 0 || nz >= depth || ny < 0 || ny >= height || nx < 0 || nx >= width) continue;
        const auto next = (nz * height + ny) * width + nx;
        if (value[next] != value[start] || part[static_cast<std::size_t>(next)] != 0) continue;
        part[static_cast<std::size_t>(next)] = parts;
        open.push_back(next);
      }
    }
    auto& best = largest[value[start]];
    if (voxels > best.first) best = {voxels, parts};
  }
  auto result = values.clone();
  auto* kept = result.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    if (value[i] > 0 && largest[value[i]].second != part[static_cast<std::size_t>(i)]) kept[i] = 0;
  }
  return result.to(labels.scalar_type());
}

}  // namespace pam
