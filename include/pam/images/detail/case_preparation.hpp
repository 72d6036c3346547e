// SPDX-License-Identifier: MIT
/// From stored intensities to a net's input: what `load_case` does with the files that it has read, and `prepare_case`
/// with a tensor. Needs only LibTorch.
#pragma once

#include <pam/images/case.hpp>
#include <pam/images/case_options.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace pam::detail {

/// One file as (C, Z, H, W) with its grid.
struct LoadedFile {
  std::filesystem::path path;
  torch::Tensor values;
  NiftiGeometry geometry;
  bool is_volume = true;
  std::string alpha = {};  ///< of a label picture: what `read_label_image` says of its alpha channel
  [[nodiscard]] std::array<std::int64_t, 3> size() const { return {values.size(1), values.size(2), values.size(3)}; }
};

/// NaN and infinities in `values`: an error that counts them, or zeros with a warning.
void handle_non_finite(const LoadedFile& file, torch::Tensor& values, bool to_zero, std::vector<std::string>& notices);
/// The same for the file's own values before interpolation, which would spread a NaN to its neighbours.
void handle_non_finite(LoadedFile& file, bool to_zero, std::vector<std::string>& notices);

/// The modalities as one (C, Z, H, W) float32 image on the first file's grid, resized; sets `Case::eight_bit`.
torch::Tensor stack_images(std::vector<LoadedFile>& files, const CaseOptions& options, Case& result);

/// The file that holds `channel` of a case's image, or the case's name where it is of no file.
std::string file_of_channel(const Case& source, std::int64_t channel);

/// `pam::background_doubt`.
std::string why_no_background(const Case& source);

/// A warning where a channel of a volume, or all of a picture, has only one value.
void note_constant(Case& result);

/// Fills `Case::occupied` of a volume, whose intensities are still as stored; `crop` as in `CaseOptions`.
void note_occupied(Case& result, PlaneSize crop);

/// A warning where `zscore_nonzero`, made for images whose background is 0, meets one that has no such background.
void doubt_background(Case& result);

/// `CaseOptions::normalise`, except for Unit, which `stack_images` does.
void normalise_intensities(Case& result, const CaseOptions& options);

/// After `stack_images` and what was cut to a hemisphere: z-score, crop, pad.
void normalise_and_crop(Case& result, const CaseOptions& options);

/// Luma of RGB (3, …), ITU-R BT.601: 0.299 r + 0.587 g + 0.114 b, rounded for integers.
torch::Tensor to_grey(const torch::Tensor& rgb);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/case_preparation-inl.hpp>
#endif
