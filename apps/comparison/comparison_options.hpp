// SPDX-License-Identifier: MIT
/// The options of `compare`: its own and all of the recipe's, in one flat list, so that a configuration of `train` is
/// one of `compare` too. Later ones override earlier ones: the recipe's defaults, with `--resume` those of the run in
/// `--out`, `--config`, then `--set` and flags.
#pragma once

#include "cli/option_reader.hpp"
#include "comparison/hypotheses.hpp"
#include "engine/experiment_options.hpp"
#include "tasks/recipe.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

struct CompareOptions {
  std::string task;                ///< "cityscapes", "brats", "isles" or "folder"
  std::string ablation;            ///< "fpa" or "rfna": exactly figure 7's networks of it (ablation.hpp); empty: none
  std::string test_folds = "all";  ///< "all", or numbers from 0 such as "0,2"
  std::int64_t repeats = 3;        ///< with seeds seed, seed + 1, …; the paper's number
  std::string baseline = "best";   ///< what the paired tests are against: a network's name, or the best baseline
  bool paper = false;              ///< the paper's own figures beside the measured ones
  std::string paper_figures;       ///< file with scores (paper_figures.hpp) in place of the paper's; empty: none
  std::string hypotheses;          ///< file of what is tested, fixed before the runs (hypotheses.hpp); empty: none

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("task", self.task);
    field("ablation", self.ablation);
    field("test_folds", self.test_folds);
    field("repeats", self.repeats);
    field("baseline", self.baseline);
    field("paper", self.paper);
    field("paper_figures", self.paper_figures);
    field("hypotheses", self.hypotheses);
  }
};

/// All options, checked as far as possible without the data.
struct CompareSetup {
  Recipe recipe;
  CompareOptions options;
  ExperimentOptions experiment;   ///< with all networks; its `seed` is that of the split and of repeat 0
  nlohmann::json recipe_options;  ///< every option of the recipe
  std::vector<std::int64_t> folds;
  std::optional<Hypotheses> hypotheses;

  /// Every option, as `--config` takes them.
  [[nodiscard]] nlohmann::json config() const;
  /// The recipe's options for one fold.
  [[nodiscard]] nlohmann::json fold_options(std::int64_t fold) const;
};

/// The folds that `test_folds` means where there are `count` (0 or 1: no cross-validation, and fold 0 alone). Throws
/// `Error` on anything but "all" or different numbers below `count`.
std::vector<std::int64_t> parse_folds(const std::string& test_folds, std::int64_t count);

class CompareReader {
 public:
  /// Adds the options to `app`, which must live as long as the reader.
  explicit CompareReader(CLI::App& app);
  /// Throws `Error` on unknown tasks, options (with the nearest), networks, baselines and values out of range.
  [[nodiscard]] CompareSetup read() const;
  [[nodiscard]] bool print_config() const { return print_; }

 private:
  void add(const std::string& flag, const std::string& key, const std::string& help, const char* type = "TEXT");
  void take(const std::string& key, const std::string& word, const std::string& where);
  [[nodiscard]] std::vector<Given> given() const;

  CLI::App* app_;
  std::string config_;
  bool print_ = false;
  std::vector<Given> given_;
};

/// Throws `Error` where the folder `--out` must not be touched: another program's run, one with other options, or any
/// without `--resume` or `--overwrite`.
void check_comparison_folder(const CompareSetup& setup);

}  // namespace pam::apps
