// SPDX-License-Identifier: MIT
/// Enhancing tumour on BRATS, as a `Task`: four modalities, case-wise cross-validation, each test case scored as one
/// volume (datasets/find_brats.hpp).
#pragma once

#include "tasks/training_program.hpp"

#include <pam/datasets/find_brats.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam::apps {

struct BratsData {
  std::string data;  ///< the folder with HGG/ and LGG/, or with the cases
  std::vector<std::string> modalities{"t1", "t1ce", "t2", "flair"};  ///< in channel order
  std::string grades;                          ///< CSV that says which cases are high-grade; empty: HGG/, or one beside
  std::string label_values = kBratsEnhancing;  ///< foreground (images/labels.hpp)
  std::string crop = "160x160";                ///< height x width of the centre that the networks see
  std::int64_t folds = 5;                      ///< of the cross-validation
  std::int64_t fold = 0;                       ///< which of them is the test set
  double validation_share = 0;        ///< of the training cases; 0: no validation, and the last weights are scored
  std::string slices = "foreground";  ///< that train: "foreground", "brain", "all"; scored is every slice
  bool skip_bad = false;              ///< leave out cases that cannot be read, saying which
  bool zero_non_finite = false;       ///< take NaN and infinity in images as 0
  std::string normalise = "auto";     ///< see engine/preparation.hpp; auto: the z-score over the brain
  std::string orient = {};            ///< "RAS": bring all volumes to this orientation; empty: as stored
  std::int64_t show_channel = 1;      ///< the modality under the overlays: t1ce, on which the tumour enhances

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("data", self.data);
    field("modalities", self.modalities);
    field("grades", self.grades);
    field("label_values", self.label_values);
    field("crop", self.crop);
    field("folds", self.folds);
    field("fold", self.fold);
    field("validation_share", self.validation_share);
    field("slices", self.slices);
    field("skip_bad", self.skip_bad);
    field("zero_non_finite", self.zero_non_finite);
    field("normalise", self.normalise);
    field("orient", self.orient);
    field("show_channel", self.show_channel);
  }
};

/// `train --task brats`.
TrainingProgram<BratsData> brats_program();

}  // namespace pam::apps
