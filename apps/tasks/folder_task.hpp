// SPDX-License-Identifier: MIT
/// A folder of NIfTI or PNG with labels, as a `Task`; also the demo's.
#pragma once

#include "cli/option_reader.hpp"
#include "tasks/task.hpp"
#include "tasks/training_program.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace pam::apps {

struct FolderData {
  std::string title;                     ///< of the report; empty: made from the folder's name
  std::string data;                      ///< one folder with all of it, in a layout of datasets/find_cases.hpp
  std::string images, labels;            ///< or two files or folders
  std::vector<std::string> modalities;   ///< of one folder per case: words that name its image files, in channel order
  std::string label_name = "seg";        ///< of one folder per case: the word that names its label file
  std::string label_values = "nonzero";  ///< "71-78", "1=1,2=2", "nonzero", … (images/labels.hpp)
  double label_threshold = 0;            ///< values from it on are foreground, instead of label_values; 0: none
  std::string mask_channel = "grey";     ///< of label pictures: "grey", "red", "green", "blue", "alpha"
  std::int64_t max_cases = 0;            ///< only so many, the first by name; 0: all
  std::string split = "auto";            ///< "cases", "hemispheres", "folders", a .json file, or "auto"
  double test_share = 0.25;              ///< of the cases, for "cases"
  double validation_share = 0;           ///< of the cases; 0: no validation, and the last weights are scored
  std::int64_t folds = 0;                ///< "cases": k-fold cross-validation instead of shares; 0 = none
  std::int64_t fold = 0;                 ///< which of them is the test set
  std::string slices = "foreground";     ///< that train: "foreground", "brain", "all"
  std::string score = "all";             ///< slices that are scored: "all", or with hemispheres the "trained" range
  std::string normalise = "auto";        ///< see engine/preparation.hpp
  std::int64_t channels = 0;             ///< of pictures: 0 = as stored, 1 = grey, 3 = RGB
  std::string crop;                      ///< "160x160": centre crop or pad, height x width; empty: none
  std::string resize;                    ///< of pictures: "128x256"
  bool resample = false;                 ///< bring images of another grid to that of the labels
  bool ignore_affine = false;            ///< pair image and labels voxel by voxel even if their axes differ
  std::string orient;                    ///< "RAS": bring all volumes to this orientation; empty: as stored
  bool strict_labels = false;            ///< refuse label values that `label_values` does not name
  bool skip_bad = false;                 ///< leave out cases that cannot be read, saying which
  bool zero_non_finite = false;          ///< take NaN and infinity in images as 0
  std::int64_t show_channel = 0;         ///< the modality under the overlays

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("title", self.title);
    field("data", self.data);
    field("images", self.images);
    field("labels", self.labels);
    field("modalities", self.modalities);
    field("label_name", self.label_name);
    field("label_values", self.label_values);
    field("label_threshold", self.label_threshold);
    field("mask_channel", self.mask_channel);
    field("max_cases", self.max_cases);
    field("split", self.split);
    field("test_share", self.test_share);
    field("validation_share", self.validation_share);
    field("folds", self.folds);
    field("fold", self.fold);
    field("slices", self.slices);
    field("score", self.score);
    field("normalise", self.normalise);
    field("channels", self.channels);
    field("crop", self.crop);
    field("resize", self.resize);
    field("resample", self.resample);
    field("ignore_affine", self.ignore_affine);
    field("orient", self.orient);
    field("strict_labels", self.strict_labels);
    field("skip_bad", self.skip_bad);
    field("zero_non_finite", self.zero_non_finite);
    field("show_channel", self.show_channel);
  }
};

/// The flags of `FolderData`.
void add_folder_flags(OptionReader& reader);

/// Throws `Error` for values that are wrong whatever the folder holds, before any file is read.
void check_folder_options(const FolderData& options);

/// Finds, splits and reads the folder. Training slices are in memory when it returns, and every file was read.
/// `seed` determines the split.
Task folder_task(const FolderData& options, std::int64_t seed, const std::filesystem::path& begun = {});

/// `train`, or `train --task folder`.
TrainingProgram<FolderData> folder_program();

}  // namespace pam::apps
