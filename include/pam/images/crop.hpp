// SPDX-License-Identifier: MIT
/// Centre crop and pad of cases, and the way back: predictions return to the grid of the input file.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/case.hpp>

#include <cstdint>

namespace pam {

/// Crops or pads every slice of `source` to `size` around its centre. Images are padded with 0 (the mean after a
/// z-score, and black), labels with `pad_label` (by default the ignore label, so that padding is neither trained on nor
/// scored). `size` 0 × 0 changes nothing.
void crop_case(Case& source, PlaneSize size, std::int64_t pad_label = kIgnoreLabel);

/// Takes something computed on the case's grid, (Z, H, W) or (C, Z, H, W), back to the grid of its input file: undoes
/// crop and padding (voxels that were cropped away become `fill`), then the reorientation or the resizing (integers:
/// nearest; floats: bilinear). Example: `write_nifti("out.nii.gz", to_input_grid(prediction, source).to(torch::kByte),
/// source.geometry)`.
torch::Tensor to_input_grid(const torch::Tensor& values, const Case& source, double fill = 0);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/crop-inl.hpp>
#endif
