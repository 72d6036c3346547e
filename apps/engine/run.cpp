// SPDX-License-Identifier: MIT
#include "engine/run.hpp"

#include "cli/option_reader.hpp"
#include "cli/program.hpp"
#include "engine/fastest_precision.hpp"
#include "engine/networks.hpp"
#include "engine/processes.hpp"
#include "engine/robustness.hpp"
#include "engine/run_folder.hpp"
#include "engine/training_run.hpp"
#include "report/run_record.hpp"
#include "report/run_report.hpp"
#include "tasks/case_task.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/train/interrupt.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <utility>

namespace pam::apps {
namespace {

/// One run per network, in order. Stops after the first that Ctrl-C stopped.
std::vector<RunResult> run_networks(const Task& task, const ExperimentOptions& options, const nlohmann::json& config,
                                    const std::string& command, std::vector<std::filesystem::path>& folders) {
  std::vector<RunResult> results;
  for (const auto& net : options.nets) {
    folders.push_back(std::filesystem::path(options.out) / net);
    if (processes().first()) mark_results(folders.back());
    results.push_back(run_network(task, options, net, folders.back(), config, command));
    if (!results.back().done) break;
  }
  return results;
}

/// --precision auto when a run is resumed: the precision that its record names, if there is one.
void keep_precision(ExperimentOptions& options, nlohmann::json& config) {
  const auto before = options_of_run(options.resume ? options.out : std::string());
  if (options.precision != "auto" || !before.is_object()) return;
  options.precision = before.value("precision", options.precision);
  config["precision"] = options.precision;
  std::cout << fmt::format("precision: {} (auto: as the run was begun)", options.precision) << std::endl;
}

/// --precision auto otherwise: the faster one for the run's networks together. The first process decides.
void decide_precision(const Task& task, ExperimentOptions& options, nlohmann::json& config, RunRecord& record) {
  if (options.precision != "auto") return;
  PrecisionChoice choice;
  if (processes().first()) {
    std::vector<Network> nets;
    for (const auto& net : options.nets) {
      nets.push_back(make_network(net, task.in_channels, task.classes, options.width, options.net_options, 0));
    }
    const auto device = processes().device(options.device);
    choice = fastest_precision(nets, /*training=*/true, device, channels_last(options.layout));
    std::cout << choice.reason << std::endl;
  }
  const bool narrow = processes().any(choice.precision == Precision::Bfloat16);
  options.precision = to_string(narrow ? Precision::Bfloat16 : Precision::Float32);
  config["precision"] = options.precision;
  record.set("options", config).set("precision_choice", choice.reason);
}

/// With --allow-changes: a warning for each network that is finished, and keeps its scores, although the options have
/// changed since.
std::vector<std::string> changes_of_finished(const ExperimentOptions& options, const nlohmann::json& config) {
  std::vector<std::string> warnings;
  if (!options.resume || !options.allow_changes) return warnings;
  for (const auto& net : options.nets) {
    const auto folder = std::filesystem::path(options.out) / net;
    const auto own = options_of_run(folder.string());
    if (!std::filesystem::exists(folder / "scores.json") || !own.is_object()) continue;
    if (own.value("epochs", nlohmann::json()) < config.at("epochs")) continue;  // it trains on
    std::vector<std::string> differ;
    for (const auto& key : RunFolder().changeable) {
      const auto before = own.find(key);
      if (before != own.end() && *before != config.at(key)) differ.push_back(key + " " + before->dump());
    }
    if (differ.empty()) continue;
    warnings.push_back(fmt::format(
        "{} is finished and keeps its scores: it was trained with {}, and not with what the options say now.", net,
        joined(differ, ", ")));
  }
  return warnings;
}

}  // namespace

std::string command_line(int argc, char** argv) {
  std::string line = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : std::string();
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain =
        !word.empty() &&
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,=:+@%") ==
            std::string::npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += " " + (plain ? word : quoted + "'");
  }
  return line;
}

int run_experiment(const ExperimentOptions& given, const nlohmann::json& given_config, const std::string& command,
                   const std::function<Task()>& make_task) {
  auto options = given;
  auto config = given_config;
  const InterruptScope signals;
  check_experiment(options);
  const ProcessScope together(options.timeout);
  keep_precision(options, config);
  check_run_folder({options.out, "run", config, options.resume, options.overwrite, options.allow_changes, {}});
  RunRecord record(command, config, static_cast<std::uint64_t>(options.seed));
  auto task = make_task();
  check_trainable(task, options);
  if (task.test->names().empty()) {
    add_notes(task, {"No case is tested (--test-share 0), so there are no scores. Scores of the same settings: by "
                     "cross-validation, such as --folds 5."});
  }
  decide_precision(task, options, config, record);
  const std::filesystem::path out = options.out;
  if (options.resume) {
    for (const auto& net : options.nets) check_same_convolutions(task, options, net, {out / net});
  }
  processes().barrier();  // nothing is written before every process has looked at the folder
  if (processes().first()) {
    if (options.overwrite) forget_run(out);
    keep_parts(out, task.parts, options.resume && !options.overwrite);
    mark_results(out);
    write_atomically(config_path(out), config.dump(2) + "\n");
    add_warnings(task, changes_of_finished(options, config));
    const auto changed = keep_data(out, task.files, options.resume && !options.overwrite);
    if (!changed.empty()) add_warnings(task, {changed});
  }

  if (processes().first() && !task.lead.empty()) std::cout << task.lead << std::endl;
  std::vector<std::filesystem::path> folders;
  const auto results = run_networks(task, options, config, command, folders);
  if (results.empty() || !results.back().done) {
    std::cout << fmt::format("Stopped; everything is saved. Continue with: --out {} --resume", options.out)
              << std::endl;
    return kInterrupted;
  }
  if (!processes().first()) return kDone;
  std::vector<NetworkResult> networks;
  for (const auto& each : results) networks.push_back(each.network);
  auto table = network_table(networks, task.title);
  for (const auto& caveat : task.caveats) table.note(caveat);
  write_atomically(out / "table.md", table.markdown());
  write_atomically(out / "table.csv", table.csv());
  const auto robustness = write_robustness(results, out);
  const bool charts = write_charts(out / "curves.svg", curves(networks));
  record.data(task.files, task.data);
  record.write(out / "run.json");
  write_report(task, options, results, folders, out / "report.html", record.json());

  std::cout << "\n" << table.text() << "\n";
  for (const auto& each : class_tables(results)) std::cout << each.text() << "\n";
  if (robustness) std::cout << robustness->text() << "\n";
  for (const auto& folder : folders) {
    std::cout << fmt::format("{0}/: predictions/ overlays/ last.safetensors metrics.csv scores.json scores.csv\n",
                             folder.string());
  }
  std::cout << fmt::format("{0}/: table.md table.csv {2}{1}run.json config.json\nreport: {0}/report.html\n",
                           options.out, charts ? "curves.svg " : "", robustness ? "robustness.md robustness.csv " : "");
  return kDone;
}

}  // namespace pam::apps
