// SPDX-License-Identifier: MIT
/// `TrainingProgram`: how networks are trained on one kind of data, from the options to the report. `train --task NAME`
/// runs one from the command line; `compare` takes it as a `Recipe` (recipe.hpp).
#pragma once

#include "cli/option_reader.hpp"
#include "cli/program.hpp"
#include "engine/experiment_options.hpp"
#include "engine/networks.hpp"
#include "engine/run.hpp"
#include "tasks/paper_settings.hpp"
#include "tasks/recipe.hpp"
#include "tasks/task.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace pam::apps {

/// The options of such a program: those of its data, and those that all tasks share.
template <typename Data>
struct TrainingOptions : Data, ExperimentOptions {
  std::string task;  ///< the program's name; here so that a configuration says which options it holds

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("task", self.task);
    Data::visit(self, field);
    ExperimentOptions::visit(self, field);
  }
};

template <typename Data>
struct TrainingProgram {
  std::string name;  ///< what --task calls it
  std::string help;  ///< one sentence
  TrainingOptions<Data> defaults;
  void (*add_flags)(OptionReader& reader);
  void (*check)(const Data& options);  ///< throws `Error` for values that are wrong whatever the data
  /// `begun`: the folder of the run or comparison that is continued; empty: none is.
  Task (*make_task)(const Data& options, std::int64_t split_seed, const std::filesystem::path& begun);
};

/// The folder of the run that `options` continue; empty where they begin one.
inline std::filesystem::path begun_folder(const ExperimentOptions& options) {
  return options.resume && !options.overwrite ? std::filesystem::path(options.out) : std::filesystem::path();
}

/// Reads the command line and trains; returns the exit code. `base` gives the initial options, and may add flags of its
/// own before.
template <typename Data, typename Base>
int run_training(const TrainingProgram<Data>& program, CLI::App& app, int argc, char** argv, const Base& base) {
  app.footer(fmt::format("These are the options of --task {}; for those of another: --task NAME --help. Tasks: {}.",
                         program.name, joined(recipe_names(), ", ")));
  OptionReader reader(app, options_to_json(program.defaults));
  reader.add<std::string>("--task", "task", "what is trained on: folder (the default), cityscapes, brats or isles");
  program.add_flags(reader);
  add_experiment_flags(reader);
  bool list_nets = false;
  app.add_flag("--list-nets", list_nets, "print the names of all networks and exit");
  std::string settings;
  add_settings_flag(app, settings);
  return run_program(app, argc, argv, [&] {
    if (list_nets) {
      print_network_names();
      return kDone;
    }
    if (printed_settings(settings)) return kDone;
    TrainingOptions<Data> options = base();
    options.task = program.name;
    reader.read(options);
    pam::check(options.task == program.name, "task={}: these are options of the task {}; choose another with --task {}",
               options.task, program.name, options.task);
    if (reader.printed(options)) return kDone;
    program.check(options);
    tune_process(options.threads);
    return run_experiment(options, options_to_json(options), command_line(argc, argv),
                          [&] { return program.make_task(options, options.seed, begun_folder(options)); });
  });
}

template <typename Data>
int run_training(const TrainingProgram<Data>& program, int argc, char** argv) {
  CLI::App app{program.help, "train"};
  return run_training(program, app, argc, argv, [&] { return program.defaults; });
}

/// The program as data.
template <typename Data>
Recipe recipe_of(const TrainingProgram<Data>& program) {
  const auto read = [program](const nlohmann::json& json) {
    auto options = program.defaults;
    options_from_json(json, options, "the options of " + program.name);
    return options;
  };
  Recipe recipe;
  recipe.name = program.name;
  recipe.defaults = options_to_json(program.defaults);
  recipe.defaults["task"] = program.name;
  recipe.experiment = [read](const nlohmann::json& json) -> ExperimentOptions { return read(json); };
  recipe.check = [program, read](const nlohmann::json& json) { program.check(read(json)); };
  recipe.make_task = [program, read](const nlohmann::json& json, std::int64_t split_seed) {
    const auto options = read(json);
    program.check(options);
    return program.make_task(options, split_seed, begun_folder(options));
  };
  return recipe;
}

}  // namespace pam::apps
