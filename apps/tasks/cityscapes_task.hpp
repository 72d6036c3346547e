// SPDX-License-Identifier: MIT
/// Vehicles on Cityscapes, as a `Task`: all official training cities but one train, that one chooses the epoch, and the
/// official val/ tests (datasets/find_cityscapes.hpp).
#pragma once

#include "tasks/training_program.hpp"

#include <pam/datasets/find_cityscapes.hpp>

#include <cstdint>
#include <string>

namespace pam::apps {

struct CityscapesData {
  std::string data;      ///< the folder with leftImg8bit/ and gtFine/
  std::string val_city;  ///< the training city held out for validation; empty: the last by name; "none"
  std::string label_values = kCityscapesVehicles;  ///< foreground ids (images/labels.hpp); all else: background
  std::string resize = "128x256";                  ///< height x width that the networks see
  bool full_size = false;  ///< score at 1024x2048, by enlarged predictions; else at `resize`, distances in its pixels
  bool skip_bad = false;   ///< leave out pictures that cannot be read, saying which

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("data", self.data);
    field("val_city", self.val_city);
    field("label_values", self.label_values);
    field("resize", self.resize);
    field("full_size", self.full_size);
    field("skip_bad", self.skip_bad);
  }
};

/// `train --task cityscapes`.
TrainingProgram<CityscapesData> cityscapes_program();

}  // namespace pam::apps
