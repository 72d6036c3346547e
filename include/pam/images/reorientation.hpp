// SPDX-License-Identifier: MIT
/// `Reorientation`: exchanges and mirrors the axes of a volume, so that they run as those of other volumes do.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace pam {

/// From one orientation (see `orientation`: "RAS", "LPS" …) to another: no voxel is interpolated, and world positions
/// stay, up to the obliqueness of the grid.
class Reorientation {
 public:
  /// Changes nothing.
  Reorientation() = default;
  /// Throws `Error` unless both are codes.
  Reorientation(const std::string& from, const std::string& to);

  /// Whether `code` names an orientation: one letter each of L/R, P/A and I/S.
  static bool is_code(const std::string& code);

  [[nodiscard]] bool changes() const;
  /// `values`, (Z, Y, X) or (C, Z, Y, X), of a volume with axes `from` as one with axes `to`.
  [[nodiscard]] torch::Tensor apply(const torch::Tensor& values) const;
  /// The reverse.
  [[nodiscard]] torch::Tensor undo(const torch::Tensor& values) const;
  /// The grid of what `apply` makes of a volume of `size` (Z, Y, X) on the grid `geometry`.
  [[nodiscard]] NiftiGeometry apply(const NiftiGeometry& geometry, const std::array<std::int64_t, 3>& size) const;

 private:
  /// For each axis x, y, z of the result: which axis it was, and whether it is mirrored.
  std::array<std::size_t, 3> source_{0, 1, 2};
  std::array<bool, 3> mirrored_{};
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/reorientation-inl.hpp>
#endif
