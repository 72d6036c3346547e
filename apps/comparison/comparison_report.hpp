// SPDX-License-Identifier: MIT
/// The files of a finished comparison.
#pragma once

#include "comparison/comparison.hpp"
#include "comparison/comparison_options.hpp"
#include "comparison/comparison_run.hpp"
#include "comparison/comparison_tables.hpp"

#include "report/run_record.hpp"

#include <map>
#include <string>
#include <vector>

namespace pam::apps {

/// The settings of the paper's tables 1 and 2: data set sizes, epochs, batch, learning rate, crop; and others that
/// influence the scores.
std::vector<Setting> comparison_settings(const CompareSetup& setup, const std::vector<FoldFacts>& facts);

/// Writes comparison.md, .csv and .json, cases.csv, ablation.svg and .png, run.json and report.html, and prints the
/// tables. `perturbed`: the same cells scored under FGSM's perturbation of size ε, for each ε; its tables are separate.
void write_comparison(const CompareSetup& setup, const Comparison& comparison,
                      const std::map<double, Comparison>& perturbed, const std::vector<FoldFacts>& facts,
                      RunRecord& record, const std::string& command);

}  // namespace pam::apps
