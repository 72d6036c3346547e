// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/reorientation.hpp>

#include <string>
#include <vector>

namespace pam {
namespace detail {

/// 0, 1, 2 for the letters of x, y, z in world; -1 for others.
PAM_FUNC int world_axis(char letter) {
  const auto at = std::string("LRPAIS").find(letter);
  return at == std::string::npos ? -1 : static_cast<int>(at / 2);
}

}  // namespace detail

PAM_FUNC bool Reorientation::is_code(const std::string& code) {
  std::array<bool, 3> seen{};
  for (const char letter : code) {
    const auto axis = detail::world_axis(letter);
    if (axis < 0 || seen[static_cast<std::size_t>(axis)]) return false;
    seen[static_cast<std::size_t>(axis)] = true;
  }
  return code.size() == 3;
}

PAM_FUNC Reorientation::Reorientation(const std::string& from, const std::string& to) {
  for (const auto& code : {from, to}) {
    check(is_code(code), "\"{}\" is no orientation: write one letter each of L or R, P or A, I or S, such as RAS",
          code);
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (std::size_t other = 0; other < 3; ++other) {
      if (detail::world_axis(from[other]) != detail::world_axis(to[axis])) continue;
      source_[axis] = other;
      mirrored_[axis] = from[other] != to[axis];
    }
  }
}

PAM_FUNC bool Reorientation::changes() const {
  return source_ != std::array<std::size_t, 3>{0, 1, 2} || mirrored_ != std::array<bool, 3>{};
}

PAM_FUNC torch::Tensor Reorientation::apply(const torch::Tensor& values) const {
  const auto first = values.dim() - 3;  // Z; axis a is the dimension first + 2 - a
  std::vector<std::int64_t> order, mirrored;
  for (std::int64_t d = 0; d < first; ++d) order.push_back(d);
  for (std::int64_t d = 0; d < 3; ++d) {
    const auto axis = static_cast<std::size_t>(2 - d);
    order.push_back(first + 2 - static_cast<std::int64_t>(source_[axis]));
    if (mirrored_[axis]) mirrored.push_back(first + d);
  }
  const auto exchanged = values.permute(order);
  return (mirrored.empty() ? exchanged : exchanged.flip(mirrored)).contiguous();
}

PAM_FUNC torch::Tensor Reorientation::undo(const torch::Tensor& values) const {
  const auto first = values.dim() - 3;
  std::vector<std::int64_t> order(static_cast<std::size_t>(values.dim())), mirrored;
  for (std::int64_t d = 0; d < first; ++d) order[static_cast<std::size_t>(d)] = d;
  for (std::int64_t d = 0; d < 3; ++d) {
    const auto axis = static_cast<std::size_t>(2 - d);
    order[static_cast<std::size_t>(first + 2) - source_[axis]] = first + d;
    if (mirrored_[axis]) mirrored.push_back(first + d);
  }
  return (mirrored.empty() ? values : values.flip(mirrored)).permute(order).contiguous();
}

PAM_FUNC NiftiGeometry Reorientation::apply(const NiftiGeometry& geometry,
                                            const std::array<std::int64_t, 3>& size) const {
  if (!changes()) return geometry;
  auto affine = geometry.affine;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto from = source_[axis];
    const auto last = static_cast<double>(size[2 - from] - 1);
    for (std::size_t row = 0; row < 3; ++row) {
      const auto step = geometry.affine[row][from];
      affine[row][axis] = mirrored_[axis] ? -step : step;
      if (mirrored_[axis]) affine[row][3] += step * last;
    }
  }
  auto result = geometry_of(affine);
  for (std::size_t axis = 0; axis < 3; ++axis) result.spacing[2 - axis] = geometry.spacing[2 - source_[axis]];
  return result;
}

}  // namespace pam
