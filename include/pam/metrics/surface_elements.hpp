// SPDX-License-Identifier: MIT
/// The surfaces of two masks as elements with a size, and the normalised surface Dice (NSD) made of them. There are two
/// conventions of NSD, and their figures must not be compared with each other:
///
/// | convention        | a surface is made of                         | each counts    | as                         |
/// |-------------------|----------------------------------------------|----------------|----------------------------|
/// | `Border`          | border voxels, `mask_border` (default)       | one            | MONAI's `SurfaceDiceMetric` |
/// | `SurfaceElements` | the surface's pieces between eight voxels,   | by its area,   | DeepMind's surface-distance|
/// |                   | in 2-D the contour's between four pixels     | or its length  | (MSD, Metrics Reloaded)    |
///
/// A cell between voxels has a voxel in each corner; what is beyond the image's edge is background. A cell whose
/// corners are neither all inside the mask nor all outside has a piece of the surface. The piece is marching cubes': it
/// cuts each edge between inside and outside in its middle, and the cuts on each face are joined by lines, which close
/// to polygons. Two things remain to be chosen, and DeepMind's areas follow from these choices:
///   - On a face with two opposite corners inside, the cell's rarer side (the voxels inside where they are four or
///     fewer) is the one whose corners are cut off singly.
///   - A polygon that is not flat is split into a fan of triangles, around the vertex that gives the piece the
///     largest area in a cubic cell.
/// The element's distance is that from the cell's centre to the nearest centre of a cell with surface of the other
/// mask.
#pragma once

#include <pam/core/config.hpp>
#include <pam/metrics/surface_distances.hpp>

#include <optional>
#include <vector>

namespace pam {

enum class NsdConvention { Border, SurfaceElements };

/// "border" or "surface-elements".
inline const char* to_string(NsdConvention convention) {
  return convention == NsdConvention::Border ? "border" : "surface-elements";
}

/// The elements of one mask's surface.
struct SurfaceElements {
  std::vector<double> distances;  ///< to the other mask's surface; +infinity where the other mask is empty
  std::vector<double> sizes;      ///< area, or in 2-D length, in the spacing's unit
};

/// The surfaces of two masks.
struct SurfaceElementPair {
  SurfaceElements prediction, truth;
};

/// The surface elements of two binary masks; masks and spacing as in `surface_distances`. Axes of length 1 are left
/// out: a one-slice volume has a contour (one row of pixels too). Throws as `surface_distances` does.
[[nodiscard]] SurfaceElementPair surface_elements(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                  torch::ArrayRef<double> spacing = {});

/// NSD by `NsdConvention::SurfaceElements`: the share of both surfaces' area (2-D: length) that lies within `tolerance`
/// of the other surface, in [0, 1], with the slack, the rules for empty masks and the errors of the border's
/// `normalised_surface_dice`.
[[nodiscard]] std::optional<double> normalised_surface_dice(const SurfaceElementPair& surfaces, double tolerance = 1);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/surface_elements-inl.hpp>
#endif
