// SPDX-License-Identifier: MIT
/// `Recipe`: one of the tasks of `train` as data: the options that it takes, with its defaults, and how they become a
/// `Task`. `train` runs a recipe once; `compare` runs it for every network, fold and repeat.
#pragma once

#include "engine/experiment_options.hpp"
#include "tasks/task.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pam::apps {

struct Recipe {
  std::string name;         ///< "cityscapes", "brats", "isles" or "folder"
  nlohmann::json defaults;  ///< every option of the program, as `--print-config` writes them
  /// The options that all recipes share. Fields that `options` lacks have their defaults; unknown ones throw `Error`.
  std::function<ExperimentOptions(const nlohmann::json& options)> experiment;
  /// Throws `Error` for options that are wrong whatever the data, before any file is read.
  std::function<void(const nlohmann::json& options)> check;
  /// The data. `options["fold"]` says which fold, where the recipe has folds; `split_seed` decides who is in which.
  std::function<Task(const nlohmann::json& options, std::int64_t split_seed)> make_task;
};

/// Every recipe's name.
std::vector<std::string> recipe_names();

/// The recipe of that name; throws `Error`, with the nearest name, for any other.
Recipe find_recipe(const std::string& name);

/// The recipe that a command line of `train` asks for: that of `--task`; else that of the file of `--config`, or with
/// `--resume` that of the run in `--out`; else "folder". A configuration or run of the programs before `train`, which
/// does not name it, is recognised by its options. Throws `Error` for unknown names, and if `--task` is not that of the
/// run.
std::string chosen_recipe(int argc, char** argv);

}  // namespace pam::apps
