// SPDX-License-Identifier: MIT
/// `mask_border`: the voxels of a mask that touch its outside, as medpy and MONAI define the surface for Hausdorff
/// distances: mask ^ erosion(mask), where what lies beyond the image's edge counts as background.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

namespace pam {

/// Which neighbours the erosion looks at.
enum class Connectivity {
  Faces,  ///< 4 in 2-D, 6 in 3-D (scipy's generate_binary_structure(n, 1); default everywhere)
  Full,   ///< 8 in 2-D, 26 in 3-D
};

inline const char* to_string(Connectivity connectivity) {
  return connectivity == Connectivity::Faces ? "faces" : "full";
}

/// True where `mask` is non-zero and a neighbour is zero or outside the image. `mask`: 1-D, 2-D or 3-D, whole numbers
/// or bool. -> bool of the mask's shape, on the CPU. Axes of length 1 are left out: the border of a (1, H, W) volume is
/// that of its slice. Throws on other masks.
[[nodiscard]] torch::Tensor mask_border(const torch::Tensor& mask, Connectivity connectivity = Connectivity::Faces);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/mask_border-inl.hpp>
#endif
