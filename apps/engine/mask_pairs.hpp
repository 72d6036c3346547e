// SPDX-License-Identifier: MIT
/// Predicted and true masks on disk, paired by name and read for scoring.
#pragma once

#include <pam/core/torch.hpp>
#include <pam/images/labels.hpp>
#include <pam/images/mask_channel.hpp>
#include <pam/images/mask_survey.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// Two files of one case.
struct MaskPair {
  std::string name;
  std::filesystem::path prediction, truth;
};

/// Pairs the NIfTI files and pictures of two folders (or two files) by their names without extension; in names that
/// have no equal partner a suffix such as _seg or _pred may differ, and the probabilities that `predict` writes are no
/// masks. Throws naming every file that has no partner, and where a folder is empty. With `predicted_only`, truths
/// without a prediction (those of training cases) are put into `left_out` instead.
std::vector<MaskPair> pair_masks(const std::filesystem::path& predictions, const std::filesystem::path& truths,
                                 bool predicted_only = false, std::vector<std::string>* left_out = nullptr);

/// A mask as classes: (H, W), or (Z, Y, X).
struct Mask {
  torch::Tensor labels;         ///< int64: 0 = background, 1 … classes - 1, -1 = ignored
  std::vector<double> spacing;  ///< tensor order, mm; empty for pictures (pixels)
  NiftiGeometry geometry;       ///< of NIfTI
  std::string alpha = {};       ///< of a picture: what `read_label_image` says of its alpha channel
};

/// How the masks of one side are read.
struct MaskReading {
  std::string values = {};                  ///< a label map (images/labels.hpp); empty: 0 and one other value
  bool zero_non_finite = false;             ///< NaN and infinity are background, with a warning, not refused
  MaskChannel channel = MaskChannel::Grey;  ///< of pictures
};

/// Reads the masks of one side. With a label map that decides; without one, masks may hold 0 and one other
/// value, whatever it is (1, 255, 4), the same in all files of the side; more than that is refused.
class MaskReader {
 public:
  explicit MaskReader(const MaskReading& how) : values_(how.values), how_(how) {}
  Mask read(const std::filesystem::path& path, std::vector<std::string>& warnings);
  /// For predictions that were given no label map of their own, only the truth's: where none of their values is named
  /// by that map, they are taken as the class numbers that pam's programs write (or as the one value of a binary mask).
  /// Returns a warning of that, or nothing; throws where their values are neither, or both with different meanings.
  std::string settle(const std::vector<std::filesystem::path>& paths);
  /// Classes with the background: 2 without a label map.
  [[nodiscard]] std::int64_t classes() const;
  /// What is doubtful about the masks that were read (`MaskSurvey`): as in training, but masks without background are
  /// scored.
  [[nodiscard]] std::vector<std::string> doubts() const;

 private:
  [[nodiscard]] LabelMap map() const { return values_.empty() ? LabelMap::nonzero() : LabelMap::parse(values_); }

  std::string values_;
  MaskReading how_;
  MaskSurvey survey_;  ///< of the masks that were read
};

/// Reads both masks of a pair, which are scored voxel by voxel; throws where their sizes or voxel sizes differ, naming
/// both files, and, unless `ignore_affine`, if their axes point in different directions (LPS and RAS): their voxels do
/// not correspond. Affines that differ otherwise, and those that are ignored, give a line of `warnings`.
std::pair<Mask, Mask> read_pair(const MaskPair& pair, MaskReader& predictions, MaskReader& truths, bool ignore_affine,
                                std::vector<std::string>& warnings);

}  // namespace pam::apps
