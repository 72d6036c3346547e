// SPDX-License-Identifier: MIT
/// The options of `predict`.
#pragma once

#include "cli/option_rules.hpp"
#include "engine/networks.hpp"

#include <pam/inference/predictor.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam::apps {

struct PredictArguments {
  WeightsSource weights;
  std::vector<std::string> inputs, modalities;
  std::string out;
  std::string normalise, crop, resize;  // empty: as the weights say, else as training does by default
  bool resample = false, ignore_affine = false, zero_non_finite = false;
  PredictorOptions how;
  std::string reversed, device = "auto", precision = "float32", layout = "auto";
  std::int64_t threads = 0;
  bool largest = false, no_probability = false, overwrite = false;
};

/// Adds the options to `app`; returns their rules. `arguments` must live as long as `app`.
std::vector<OptionRule> add_predict_options(CLI::App& app, PredictArguments& arguments);

}  // namespace pam::apps
