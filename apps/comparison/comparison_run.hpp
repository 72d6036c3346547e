// SPDX-License-Identifier: MIT
/// `run_comparison`: the paper's protocol. Every network on every fold in every repeat, each in a folder of its own,
/// OUT/fold_F/repeat_R/NET (training_run.hpp), then the tables of all of them in OUT: config.json, comparison.md, .csv
/// and .json, cases.csv, ablation.svg, run.json, report.html; with hypotheses also hypotheses.json (their text, written
/// before the first training), hypotheses.csv, a chart hypothesis_ID.svg of each, equal_fp.csv and trade.svg.
#pragma once

#include "comparison/comparison.hpp"
#include "comparison/comparison_options.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// The task of one fold in words, and what the record needs of it.
struct FoldFacts {
  std::int64_t fold = 0;
  std::string title, lead, data, unit;
  std::vector<std::string> caveats;
  std::vector<FileFingerprint> files;
  std::int64_t test_cases = 0, validation_cases = 0;
};

/// OUT/fold_F/repeat_R/NET
std::filesystem::path cell_folder(const std::filesystem::path& out, std::int64_t fold, std::int64_t repeat,
                                  const std::string& net);

/// Runs what is not done yet and writes the tables. A cell that fails is reported at once and named in the tables, and
/// the others continue; with `--resume` it is tried again. Returns `kDone`, `kBadInput` if cells failed (the tables are
/// written), or `kInterrupted` after Ctrl-C, with everything saved. Throws `Error` for what would make every cell fail.
int run_comparison(const CompareSetup& setup, const std::string& command);

}  // namespace pam::apps
