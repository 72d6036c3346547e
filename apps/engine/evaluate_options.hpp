// SPDX-License-Identifier: MIT
/// The options of `evaluate`.
#pragma once

#include "cli/option_rules.hpp"

#include <pam/images/mask_channel.hpp>
#include <pam/metrics/case_scores.hpp>

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

struct EvaluateArguments {
  std::string predictions, truths, json, csv, values, predicted_values, mask_channel = to_string(MaskChannel::Grey);
  std::optional<double> threshold;
  std::string convention = to_string(ScoreOptions().nsd_convention);
  bool predicted_only = false, ignore_affine = false, zero_non_finite = false;
  ScoreOptions score;
};

/// Adds the options to `app`; returns their rules. `arguments` must live as long as `app`.
std::vector<OptionRule> add_evaluate_options(CLI::App& app, EvaluateArguments& arguments);

}  // namespace pam::apps
