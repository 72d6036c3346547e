// SPDX-License-Identifier: MIT
/// `Case`: one patient's volume, or one picture, in memory.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/case_files.hpp>
#include <pam/data/plane_size.hpp>
#include <pam/data/sample.hpp>
#include <pam/images/mask_survey.hpp>
#include <pam/images/nifti_geometry.hpp>
#include <pam/images/reorientation.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace pam {

/// A case in memory, ready for a net, with what is needed to bring a prediction back to the input's grid
/// (`to_input_grid`).
struct Case {
  std::string name;
  torch::Tensor image;     ///< (C, Z, H, W) float32, normalised; a picture has Z = 1
  torch::Tensor labels;    ///< (Z, H, W) int16, values as in `Sample::labels`; undefined where the case has none
  NiftiGeometry geometry;  ///< of the input's grid; pictures have 1 × 1 pixels
  CaseFiles files;         ///< the files that it was read from
  bool is_volume = true;   ///< NIfTI (distances in mm), or a picture (pixels)
  bool eight_bit = false;  ///< `image` · 255 are whole numbers: a picture of 8 bits, not normalised otherwise
  std::array<std::int64_t, 3> input_size{};    ///< (Z, H, W) of the input files
  std::array<std::int64_t, 3> resized_size{};  ///< (Z, H, W) after resizing and reorienting, before cropping
  std::array<std::int64_t, 3> offset{};        ///< of `image`'s first voxel in the resized input; negative = padding
  /// How many voxels of the resized input were cut off before and after the ones in `image`, per axis. Not always what
  /// `offset` says: what was cut off may have been padded again.
  std::array<std::int64_t, 3> cut_before{}, cut_after{};
  Reorientation reorientation;       ///< from the input's axes to those of `image` (`CaseOptions::orient`, `axes`)
  std::vector<std::string> notices;  ///< warnings for the user: resampled files, affines that differ
  MaskSurvey masks;                  ///< what numbers the label file holds
  /// For each slice of `image` (not of a picture): whether the input holds more there than its background, that is, in
  /// some channel and inside the crop, a value above that channel's smallest (0 in skull-stripped MRI). Of the
  /// intensities as stored: after a z-score over all voxels the background is not 0.
  std::vector<bool> occupied;

  /// "RAS", "LPS" …: how the axes of `image` run; empty for pictures, and where the header does not say.
  [[nodiscard]] std::string axes() const {
    if (!is_volume || !geometry.is_placed()) return {};
    return orientation(reorientation.apply(geometry, input_size).affine);
  }
  [[nodiscard]] std::int64_t slices() const { return image.size(1); }
  /// Of the input's grid, for `score_case`: (z, y, x) in mm of a volume; empty for a picture, whose distances are in
  /// pixels.
  [[nodiscard]] std::vector<double> spacing() const {
    if (!is_volume) return {};
    return {geometry.spacing.begin(), geometry.spacing.end()};
  }
  /// The size of a voxel in mm along the axes x, y, z of `image`, which the preparation may have turned; empty for a
  /// picture.
  [[nodiscard]] std::vector<double> image_spacing() const {
    if (!is_volume) return {};
    const auto turned = reorientation.changes() ? reorientation.apply(geometry, input_size).spacing : geometry.spacing;
    return {turned.rbegin(), turned.rend()};
  }
  [[nodiscard]] PlaneSize plane() const { return {image.size(2), image.size(3)}; }
};

/// Slice `z` of a case as a sample; the image is a view. Without labels, `labels` is undefined.
Sample slice_of(const Case& source, std::int64_t z);

namespace detail {

/// The window of `size` at `offset` (negative: before the start) along `dimension`; positions outside the tensor are
/// `fill`.
torch::Tensor window(const torch::Tensor& tensor, std::int64_t dimension, std::int64_t offset, std::int64_t size,
                     double fill);

}  // namespace detail
}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/case-inl.hpp>
#endif
