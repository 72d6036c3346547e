// SPDX-License-Identifier: MIT
/// `run_network`: one network trained and scored on one task, in one folder. It can be stopped at any moment and
/// continued. What is in the folder:
///   config.json                        the options that made it
///   metrics.jsonl, metrics.csv         one row per epoch
///   last.safetensors, last.state…, best.safetensors   checkpoints (train/checkpoint.hpp)
///   predictions/CASE.nii.gz or .png    on the grid of the input, with its affine
///   overlays/CASE.png                  image beside prediction against truth
///   robustness.json, .csv, .md         the same under FGSM perturbations, with --fgsm (robustness.hpp)
///   probabilities.safetensors          histograms of each case's probabilities, in a comparison with hypotheses
///   scores.json, scores.csv            every case, and the aggregate; written last: it says that the run is done
///   curves.svg, run.json, report.html
/// Several processes (processes.hpp) train one network together, each on batches of its own cases. All of them must see
/// the folder; the first one writes it, scores and prints.
#pragma once

#include "engine/experiment_options.hpp"
#include "engine/probability_histograms.hpp"
#include "tasks/task.hpp"

#include <pam/metrics/case_scores.hpp>
#include <pam/report/network_result.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// The scores under FGSM's perturbation of size ε, in units of the normalised input.
struct PerturbedScores {
  double epsilon = 0;
  std::vector<CaseScores> cases;
};

/// A network's scores, and those of each class where there is more than one.
struct RunResult {
  NetworkResult network;
  std::vector<std::vector<CaseScores>> classes;  ///< [class - 1][case]; empty for binary tasks
  std::vector<PerturbedScores> robustness;       ///< one for each ε of the options
  ProbabilityHistograms probabilities;           ///< where they were asked for
  bool reversed = false;                         ///< trained on 1 - label: its training loss is that of the background
  bool done = false;                             ///< false: stopped by Ctrl-C; everything is saved
};

/// Throws `Error` if the networks of `options` cannot be trained on the task: networks that do not fit it, early
/// stopping without validation, a warm-up longer than the run, or if `options.out` holds the data. Writes nothing.
void check_trainable(const Task& task, const ExperimentOptions& options);

/// Throws `Error` if one of `folders` holds a training of `net` in which RFNA blocks had other convolutions than the options
/// ask for now: one from before prune_convolutions, when ratios 2 and 4 kept all of them. Writes nothing.
void check_same_convolutions(const Task& task, const ExperimentOptions& options, const std::string& net,
                             const std::vector<std::filesystem::path>& folders);

/// Trains and scores `net` in `folder`, or reads the result where the run is done and `options.resume` is set.
/// `config` is every option of the program, as `--config` takes them, and `command` the command line, for the records.
/// With several processes all call it, and all but the first learn only whether the run is done.
/// `histograms`: also counts the probabilities of every validation and test case, for a binary task. Where the run is
/// done without them, its weights are asked again.
RunResult run_network(const Task& task, const ExperimentOptions& options, const std::string& net,
                      const std::filesystem::path& folder, const nlohmann::json& config, const std::string& command,
                      bool histograms = false);

/// Epochs from a folder's metrics.jsonl; lines that are not whole are left out.
std::vector<EpochPoint> read_epochs(const std::filesystem::path& folder);

}  // namespace pam::apps
