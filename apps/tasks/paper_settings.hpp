// SPDX-License-Identifier: MIT
/// How the paper trains on its three data sets, in one place: table 2, and the protocol of the data.
#pragma once

#include "engine/experiment_options.hpp"

#include <pam/report/table.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <vector>

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

/// Table 2 and the paper's data protocol, each beside the defaults here.
std::vector<Table> paper_settings_tables();

/// Adds `--print-settings` to `app`; its value goes to `which`.
void add_settings_flag(CLI::App& app, std::string& which);

/// True if `--print-settings paper` was given: the tables have then been printed, and the program should exit. Throws
/// `Error` for other words.
bool printed_settings(const std::string& which);

}  // namespace pam::apps
