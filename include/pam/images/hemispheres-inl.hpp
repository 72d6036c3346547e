// SPDX-License-Identifier: MIT
/// The definitions of hemispheres.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/case.hpp>
#include <pam/images/hemispheres.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pam {

PAM_FUNC std::vector<CaseFiles> hemisphere_cases(const CaseFiles& whole) {
  auto left = whole, right = whole;
  left.name += "_left";
  left.part = CasePart::LeftHemisphere;
  right.name += "_right";
  right.part = CasePart::RightHemisphere;
  return {left, right};
}

PAM_FUNC HemisphereRange hemisphere_range(const NiftiGeometry& geometry, const std::array<std::int64_t, 3>& size,
                                          CasePart part, const std::string& file) {
  check(geometry.is_placed(),
        "{}: the header gives no orientation (sform and qform codes are 0), so left and right are unknown; split whole "
        "cases (CasePart::Whole)",
        file);
  const auto side = left_right_axis(geometry.affine);
  const auto length = size[static_cast<std::size_t>(side.dimension)];
  std::array<double, 3> at{};  // z, y, x
  for (std::size_t axis = 0; axis < 3; ++axis) at[axis] = static_cast<double>(size[axis] - 1) / 2;
  std::int64_t left_voxels = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    at[static_cast<std::size_t>(side.dimension)] = static_cast<double>(i);
    left_voxels += to_world(geometry.affine, at[2], at[1], at[0])[0] < 0 ? 1 : 0;
  }
  check(left_voxels > 0 && left_voxels < length && 10 * std::min(left_voxels, length - left_voxels) >= length,
        "{}: world x = 0 does not cut this volume in two halves ({} of {} planes are left of it), so where its "
        "hemispheres meet is unknown; split whole cases (CasePart::Whole)",
        file, left_voxels, length);
  const bool wants_start = (part == CasePart::LeftHemisphere) == side.starts_left;
  const auto wanted = part == CasePart::LeftHemisphere ? left_voxels : length - left_voxels;
  return {side.dimension, wants_start ? 0 : length - wanted, wanted};
}

}  // namespace pam
