// SPDX-License-Identifier: MIT
/// Stroke lesions on ISLES 2018 (CT perfusion) or ISLES'22 (MRI), as a `Task` (datasets/find_isles.hpp).
#pragma once

#include "tasks/training_program.hpp"

#include <pam/datasets/find_isles.hpp>

#include <cstdint>
#include <string>

namespace pam::apps {

struct IslesData {
  std::string data;                         ///< the folder with TRAINING/, or with sub-* and derivatives/
  std::string label_values = kIslesLesion;  ///< foreground (images/labels.hpp)
  std::string crop = "224x224";             ///< height x width that slices are cropped or padded to
  double test_share = 0.2;                  ///< of the cases
  double validation_share = 0.1;            ///< of the cases; 0: no validation, and the last weights are scored
  std::int64_t folds = 0;                   ///< k-fold cross-validation instead of shares; 0: none
  std::int64_t fold = 0;                    ///< which of them is the test set
  std::string slices = "foreground";        ///< that train: "foreground", "brain", "all"; scored is every slice
  bool skip_bad = false;                    ///< leave out cases that cannot be read, saying which
  bool zero_non_finite = false;             ///< take NaN and infinity in images as 0
  std::string normalise = "auto";           ///< see engine/preparation.hpp; auto: the z-score over the brain
  std::string orient = {};                  ///< "RAS": bring all volumes to this orientation; empty: as stored
  std::int64_t show_channel = -1;           ///< the modality under the overlays; -1: Tmax or DWI, which show lesions

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("data", self.data);
    field("label_values", self.label_values);
    field("crop", self.crop);
    field("test_share", self.test_share);
    field("validation_share", self.validation_share);
    field("folds", self.folds);
    field("fold", self.fold);
    field("slices", self.slices);
    field("skip_bad", self.skip_bad);
    field("zero_non_finite", self.zero_non_finite);
    field("normalise", self.normalise);
    field("orient", self.orient);
    field("show_channel", self.show_channel);
  }
};

/// `train --task isles`.
TrainingProgram<IslesData> isles_program();

}  // namespace pam::apps
