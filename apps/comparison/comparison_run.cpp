// SPDX-License-Identifier: MIT
#include "comparison/comparison_run.hpp"

#include "cli/option_reader.hpp"
#include "cli/program.hpp"
#include "comparison/comparison_report.hpp"
#include "engine/training_run.hpp"
#include "engine/processes.hpp"
#include "engine/run_folder.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/core/duration_string.hpp>
#include <pam/train/interrupt.hpp>

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <utility>

namespace pam::apps {
namespace {

class ComparisonRun {
 public:
  ComparisonRun(const CompareSetup& setup, std::string command)
      : setup_(setup),
        command_(std::move(command)),
        out_(setup.experiment.out),
        record_(command_, setup.config(), static_cast<std::uint64_t>(setup.experiment.seed)) {
    comparison_.nets = setup.experiment.nets;
    comparison_.folds = setup.folds;
    comparison_.repeats = setup.options.repeats;
  }

  int run() {
    for (const auto fold : setup_.folds) {
      if (!run_fold(fold)) {
        std::cout << fmt::format("Stopped; everything is saved. Continue with: compare --out {} --resume",
                                 out_.string())
                  << std::endl;
        return kInterrupted;
      }
    }
    write_comparison(setup_, comparison_, perturbed_, facts_, record_, command_);
    return comparison_.failed.empty() ? kDone : kBadInput;
  }

 private:
  /// False where Ctrl-C stopped it.
  bool run_fold(std::int64_t fold) {
    const auto read = read_fold(fold);
    if (!read) return false;
    const auto& task = *read;
    take_facts(fold, task);
    if (fold == setup_.folds.front()) begin(task);
    note_data(fold, task);
    for (std::int64_t repeat = 0; repeat < comparison_.repeats; ++repeat) {
      for (const auto& net : comparison_.nets) {
        if (interrupted() != 0 || !run_one(task, fold, repeat, net)) return false;
      }
    }
    return true;
  }

  /// Empty if Ctrl-C stopped it and there is a comparison to continue.
  std::optional<Task> read_fold(std::int64_t fold) const {
    const bool begun = !facts_.empty() || (setup_.experiment.resume && std::filesystem::exists(config_path(out_)));
    if (begun && interrupted() != 0) return std::nullopt;
    try {
      return setup_.recipe.make_task(setup_.fold_options(fold), setup_.experiment.seed);
    } catch (const Interrupted&) {
      if (!begun) throw;
      return std::nullopt;
    }
  }

  void note_data(std::int64_t fold, const Task& task) {
    const auto& options = setup_.experiment;
    const bool resume = options.resume && !options.overwrite;
    const auto folder = out_ / fmt::format("fold_{}", fold);
    keep_parts(folder, task.parts, resume);
    const auto changed = keep_data(folder, task.files, resume);
    if (changed.empty()) return;
    std::cerr << fresh_line() << "warning: " << changed << "\n";
    facts_.front().caveats.push_back(changed);
  }

  void take_facts(std::int64_t fold, const Task& task) {
    FoldFacts facts{fold, task.title, task.lead, task.data, task.unit, task.caveats, task.files, 0, 0};
    const auto names = task.test->names();
    facts.test_cases = static_cast<std::int64_t>(names.size());
    facts.validation_cases = task.validation ? static_cast<std::int64_t>(task.validation->names().size()) : 0;
    for (const auto& name : names) {
      const auto [at, fresh] = fold_of_.emplace(name, fold);
      check(fresh, "case {} is tested in fold {} and in fold {}; every case must be tested once per repeat", name,
            at->second, fold);
    }
    comparison_.unit = task.unit;
    facts_.push_back(std::move(facts));
  }

  /// Everything that can be refused has been refused: this is the first thing that is written.
  void begin(const Task& task) {
    check(!task.test->names().empty(),
          "test_share 0: a comparison needs test cases; leave it out, or train one network on all cases with train");
    check_trainable(task, setup_.experiment);
    check_hypotheses(task);
    if (setup_.experiment.resume) check_trained(task);
    mark_results(out_);
    if (setup_.experiment.overwrite) forget_run(out_);
    if (setup_.hypotheses) write_atomically(kept_hypotheses(out_), setup_.hypotheses->text);
    write_atomically(config_path(out_), setup_.config().dump(2) + "\n");
  }

  /// Throws `Error` where the task cannot give what the hypotheses ask for.
  void check_hypotheses(const Task& task) const {
    if (!setup_.hypotheses || !setup_.hypotheses->need_validation()) return;
    const auto& file = setup_.hypotheses->file;
    check(
        task.classes == 1,
        "--hypotheses {}: FN at equal FP moves the one threshold of a binary task, and this one has {} classes; leave "
        "these hypotheses out",
        file, task.classes);
    check(task.validation != nullptr,
          "--hypotheses {}: FN at equal FP moves thresholds on validation cases, and there are none; give some with "
          "--set validation_share=0.2 (Cityscapes: val_city), or leave these hypotheses out",
          file);
  }

  /// Throws `Error` where one of the comparison's trainings cannot be continued.
  void check_trained(const Task& task) const {
    for (const auto& net : comparison_.nets) {
      std::vector<std::filesystem::path> folders;
      for (const auto fold : setup_.folds) {
        for (std::int64_t repeat = 0; repeat < comparison_.repeats; ++repeat) {
          folders.push_back(cell_folder(out_, fold, repeat, net));
        }
      }
      check_same_convolutions(task, setup_.experiment, net, folders);
    }
  }

  /// False where Ctrl-C stopped it.
  bool run_one(const Task& task, std::int64_t fold, std::int64_t repeat, const std::string& net) {
    auto options = setup_.experiment;
    const auto folder = cell_folder(out_, fold, repeat, net);
    options.seed += repeat;
    options.nets = {net};
    options.out = folder.string();
    const auto cells = cells_in_all();
    const bool done = is_done(folder);
    if (!done) tell_progress(fold, repeat, net);
    const auto start = std::chrono::steady_clock::now();
    std::cout << fmt::format("[{}/{}] fold {}, repeat {}: ", ++number_, cells, fold, repeat) << std::flush;
    try {
      auto config = setup_.fold_options(fold);
      config["seed"] = options.seed;
      config["out"] = options.out;
      mark_results(folder);
      auto result = run_network(task, options, net, folder, config, command_, setup_.hypotheses && task.classes == 1);
      if (!result.done) return false;
      const auto wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      note_seconds(net, done ? detail::training_seconds(result.network) : wall);
      keep(net, fold, repeat, std::move(result));
    } catch (const c10::Error& error) {
      note_failure(net, fold, repeat, error.what_without_backtrace());
    } catch (const std::exception& error) {
      note_failure(net, fold, repeat, error.what());
    }
    return true;
  }

  void keep(const std::string& net, std::int64_t fold, std::int64_t repeat, RunResult result) {
    for (auto& scored : result.robustness) {
      auto& perturbed = perturbed_[scored.epsilon];
      perturbed.nets = comparison_.nets;
      perturbed.folds = comparison_.folds;
      perturbed.repeats = comparison_.repeats;
      perturbed.unit = comparison_.unit;
      perturbed.cells.push_back({net, fold, repeat, result.network, result.reversed, {}});
      perturbed.cells.back().result.cases = std::move(scored.cases);
    }
    comparison_.cells.push_back(
        {net, fold, repeat, std::move(result.network), result.reversed, std::move(result.probabilities)});
  }

  [[nodiscard]] std::size_t cells_in_all() const {
    return setup_.folds.size() * static_cast<std::size_t>(comparison_.repeats) * comparison_.nets.size();
  }
  [[nodiscard]] bool is_done(const std::filesystem::path& cell) const {
    return setup_.experiment.resume && std::filesystem::exists(cell / "scores.json");
  }

  void note_seconds(const std::string& net, double seconds) {
    if (!std::isfinite(seconds)) return;
    for (auto* mean : {&seconds_[net], &all_seconds_}) {
      mean->first += seconds;
      ++mean->second;
    }
  }

  /// "5 of 30 cells done, 25 left, about 1:12:00 h": before the cell of `fold`, `repeat` and `net` is trained. Each
  /// cell that is left takes as long as those of its network did, or, before its first, as all that are done.
  void tell_progress(std::int64_t fold, std::int64_t repeat, const std::string& net) const {
    std::size_t left = 0;
    double seconds = 0;
    bool reached = false;
    for (const auto each_fold : setup_.folds) {
      for (std::int64_t each_repeat = 0; each_repeat < comparison_.repeats; ++each_repeat) {
        for (const auto& each : comparison_.nets) {
          reached = reached || (each_fold == fold && each_repeat == repeat && each == net);
          if (!reached || is_done(cell_folder(out_, each_fold, each_repeat, each))) continue;
          ++left;
          const auto own = seconds_.find(each);
          const auto& [sum, count] = own == seconds_.end() ? all_seconds_ : own->second;
          seconds += sum / count;  // not a number before the first cell is done
        }
      }
    }
    const auto time = std::isfinite(seconds) ? fmt::format(", about {}", duration_string(seconds)) : std::string();
    std::cout << fmt::format("{} of {} cells done, {} left{}", cells_in_all() - left - comparison_.failed.size(),
                             cells_in_all(), left, time)
              << std::endl;
  }

  void note_failure(const std::string& net, std::int64_t fold, std::int64_t repeat, const std::string& reason) {
    comparison_.failed.push_back({net, fold, repeat, reason});
    std::cout.flush();
    std::cerr << fresh_line()
              << fmt::format(
                     "error: {} in fold {}, repeat {} failed: {}; the others continue, and --resume tries it again",
                     net, fold, repeat, with_flags(reason))
              << std::endl;
  }

  const CompareSetup& setup_;
  std::string command_;
  std::filesystem::path out_;
  RunRecord record_;
  Comparison comparison_;
  std::map<double, Comparison> perturbed_;
  std::vector<FoldFacts> facts_;
  std::map<std::string, std::int64_t> fold_of_;
  std::size_t number_ = 0;
  /// Sum of the seconds of cells, and how many they are: by network, and of all.
  std::map<std::string, std::pair<double, double>> seconds_;
  std::pair<double, double> all_seconds_;
};

}  // namespace

std::filesystem::path cell_folder(const std::filesystem::path& out, std::int64_t fold, std::int64_t repeat,
                                  const std::string& net) {
  return out / fmt::format("fold_{}", fold) / fmt::format("repeat_{}", repeat) / net;
}

int run_comparison(const CompareSetup& setup, const std::string& command) {
  const InterruptScope signals;
  static_cast<void>(processes());  // refuses to run as several processes, which would overwrite each other's files
  check_comparison_folder(setup);
  return ComparisonRun(setup, command).run();
}

}  // namespace pam::apps
