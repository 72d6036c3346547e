// SPDX-License-Identifier: MIT
/// `run_experiment`: a whole run from options to report: every network of the options on one task, one after the other.
/// In the run's folder: config.json, one folder per network (training_run.hpp), table.md, table.csv, curves.svg,
/// run.json, report.html, and robustness.json, .csv and .md if `fgsm` is set.
/// Started as several processes (torchrun, srun, or RANK and WORLD_SIZE in the environment), they train each network
/// together; the first one does all the rest.
#pragma once

#include "engine/experiment_options.hpp"
#include "tasks/task.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace pam::apps {

/// The command line, quoted so that it can be typed again.
std::string command_line(int argc, char** argv);

/// Trains, scores and reports. `config` is every option of the program, as `--config` takes them; `make_task` reads the
/// data, after everything that can be checked without them has been checked. Nothing is written before the task and all
/// networks exist. Returns the exit code (`kDone`, or `kInterrupted` where Ctrl-C stopped it, with all saved).
/// Throws `Error` where the folder holds another run, or the same with other options.
int run_experiment(const ExperimentOptions& options, const nlohmann::json& config, const std::string& command,
                   const std::function<Task()>& make_task);

}  // namespace pam::apps
