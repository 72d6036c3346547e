// SPDX-License-Identifier: MIT
/// Where a volume lies in space: spacing, affine, and the header fields needed to write a NIfTI file as it was read.
/// World coordinates are NIfTI's: +x is the subject's right, +y anterior, +z superior, in millimetres.
#pragma once

#include <pam/core/config.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace pam {

/// A 3×4 matrix, row by row: world = affine · (x, y, z, 1) for the voxel in column x, row y, slice z.
using Affine = std::array<std::array<double, 4>, 3>;

/// The grid of a volume. Default: 1 mm voxels, voxel (0, 0, 0) at the origin, no orientation known.
struct NiftiGeometry {
  std::array<double, 3> spacing{1, 1, 1};  ///< size of a voxel in mm, in tensor order (z, y, x)
  /// Voxel (x, y, z) → mm: the sform where the header has one, else the qform, else the spacing alone.
  Affine affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  int sform_code = 0;             ///< NIFTI_XFORM_* of `sform`; 0 = none
  int qform_code = 0;             ///< NIFTI_XFORM_* of the quaternion; 0 = none
  std::array<float, 12> sform{};  ///< the header's srow_x, srow_y, srow_z
  std::array<float, 6> qform{};   ///< the header's quatern_b, _c, _d and qoffset_x, _y, _z
  float qfac = 1;                 ///< the header's pixdim[0]: 1 or -1
  float time_step = 0;            ///< the header's pixdim[4]; its unit is that of the low bits of `time_units`
  int time_units = 0;             ///< the time part of the header's xyzt_units
  int space_units = 2;            ///< its other part, NIFTI_UNITS_*: the lengths here are mm, those of the file this

  /// Whether the header says where the volume lies; without sform and qform the affine is the spacing alone.
  [[nodiscard]] bool is_placed() const { return sform_code > 0 || qform_code > 0; }
};

/// The size of a voxel in mm, in tensor order (z, y, x), that `affine` gives.
std::array<double, 3> affine_spacing(const Affine& affine);

/// A geometry with this affine as its sform (code 1, "scanner") and the spacing that the affine's columns have.
NiftiGeometry geometry_of(const Affine& affine);

/// If pixdim and the affine differ by more than 1 %, a warning that says which of them is used; else empty.
std::string spacing_doubt(const NiftiGeometry& geometry);

/// The world position in mm of the voxel in column `x`, row `y`, slice `z` (fractions allowed).
std::array<double, 3> to_world(const Affine& affine, double x, double y, double z);

/// The inverse of `affine`: world (mm) → voxel. Throws where the affine is singular (a volume without extent).
Affine inverse_affine(const Affine& affine);

/// "RAS", "LPS", …: for the voxel axes x, y, z the side towards which their index grows (nibabel's `aff2axcodes`).
/// Oblique volumes get the nearest such code; no two axes share a world direction.
std::string orientation(const Affine& affine);

/// Which axis of a (Z, Y, X) tensor runs between left and right, and on which side its index 0 lies.
struct LeftRightAxis {
  std::int64_t dimension = 2;  ///< 0, 1 or 2 of (Z, Y, X)
  bool starts_left = true;     ///< index 0 is the subject's left
};

/// The left-right axis of a volume with this affine.
LeftRightAxis left_right_axis(const Affine& affine);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/nifti_geometry-inl.hpp>
#endif
