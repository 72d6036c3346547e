// SPDX-License-Identifier: MIT
/// The definitions of nifti_geometry.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

namespace pam {

PAM_FUNC std::array<double, 3> affine_spacing(const Affine& affine) {
  std::array<double, 3> spacing{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    spacing[2 - axis] = std::hypot(affine[0][axis], affine[1][axis], affine[2][axis]);
  }
  return spacing;
}

PAM_FUNC NiftiGeometry geometry_of(const Affine& affine) {
  NiftiGeometry geometry;
  geometry.affine = affine;
  geometry.sform_code = 1;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) {
      geometry.sform[row * 4 + column] = static_cast<float>(affine[row][column]);
    }
  }
  geometry.spacing = affine_spacing(affine);
  return geometry;
}

PAM_FUNC std::string spacing_doubt(const NiftiGeometry& geometry) {
  const auto& s = geometry.spacing;
  const auto a = affine_spacing(geometry.affine);
  bool alike = true;
  for (std::size_t i = 0; i < 3; ++i) alike = alike && std::abs(s[i] - a[i]) <= 0.01 * a[i];
  if (alike || !geometry.is_placed()) return {};
  return fmt::format(
      "its pixdim gives voxels of {:.4g} x {:.4g} x {:.4g} mm, its affine {:.4g} x {:.4g} x {:.4g} mm; distances are "
      "measured by pixdim: correct the header if that is wrong",
      s[2], s[1], s[0], a[2], a[1], a[0]);
}

PAM_FUNC std::array<double, 3> to_world(const Affine& affine, double x, double y, double z) {
  std::array<double, 3> world{};
  for (std::size_t row = 0; row < 3; ++row) {
    world[row] = affine[row][0] * x + affine[row][1] * y + affine[row][2] * z + affine[row][3];
  }
  return world;
}

PAM_FUNC Affine inverse_affine(const Affine& affine) {
  const auto& a = affine;
  const auto minor_of = [&a](std::size_t row, std::size_t column) {
    const std::size_t r0 = (row + 1) % 3, r1 = (row + 2) % 3, c0 = (column + 1) % 3, c1 = (column + 2) % 3;
    return a[r0][c0] * a[r1][c1] - a[r0][c1] * a[r1][c0];
  };
  const double determinant = a[0][0] * minor_of(0, 0) + a[0][1] * minor_of(0, 1) + a[0][2] * minor_of(0, 2);
  check(std::isfinite(determinant) && determinant != 0, "the affine of this volume cannot be inverted (determinant {})",
        determinant);
  Affine result{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) result[row][column] = minor_of(column, row) / determinant;
    for (std::size_t k = 0; k < 3; ++k) result[row][3] -= result[row][k] * a[k][3];
  }
  return result;
}

PAM_FUNC std::string orientation(const Affine& affine) {
  static constexpr char kTowards[3][2] = {{'L', 'R'}, {'P', 'A'}, {'I', 'S'}};
  std::string code(3, '?');
  std::array<bool, 3> axis_done{}, world_done{};
  for (int step = 0; step < 3; ++step) {  // the strongest remaining pair first, so that the assignment is one to one
    std::size_t best_axis = 0, best_world = 0;
    double best = -1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double norm = std::hypot(affine[0][axis], affine[1][axis], affine[2][axis]);
      for (std::size_t world = 0; world < 3; ++world) {
        const double share = norm > 0 ? std::abs(affine[world][axis]) / norm : 0;
        if (!axis_done[axis] && !world_done[world] && share > best) {
          best = share, best_axis = axis, best_world = world;
        }
      }
    }
    axis_done[best_axis] = world_done[best_world] = true;
    code[best_axis] = kTowards[best_world][affine[best_world][best_axis] > 0 ? 1 : 0];
  }
  return code;
}

PAM_FUNC LeftRightAxis left_right_axis(const Affine& affine) {
  const auto code = orientation(affine);
  const auto axis = static_cast<std::int64_t>(code.find_first_of("LR"));
  return {2 - axis, code[static_cast<std::size_t>(axis)] == 'R'};
}

}  // namespace pam
