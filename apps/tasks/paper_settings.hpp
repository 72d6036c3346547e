// SPDX-License-Identifier: MIT
/// Epochs, batch and learning rate of the paper's three trainings, in one place.
#pragma once

#include "engine/experiment_options.hpp"

#include <cstdint>

namespace pam::apps {

/// A row of the paper's table 2.
struct PaperSettings {
  std::int64_t epochs, batch;
  double learning_rate;
};

constexpr PaperSettings kCityscapesSettings{100, 8, 2e-4};
constexpr PaperSettings kBratsSettings{80, 50, 1e-4};
constexpr PaperSettings kIslesSettings{60, 80, 1e-3};

/// `options` with the settings of a data set: AdamW, soft Dice loss, horizontal flips, the network's own width. Where
/// the paper is silent, those of the code that its authors released
/// (https://github.com/moucheng2017/Pay_Attention_To_Mistakes): weight decay 1e-5, learning rate × 0.1 at half and at
/// three quarters.
inline void apply(const PaperSettings& settings, ExperimentOptions& options) {
  options.epochs = settings.epochs;
  options.batch = settings.batch;
  options.optimizer.learning_rate = settings.learning_rate;
  options.optimizer.weight_decay = 1e-5;
  options.schedule = Schedule::released();
  options.loss = "dice";
  options.flip = true;
  options.width = 0;
}

}  // namespace pam::apps
