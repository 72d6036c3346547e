// SPDX-License-Identifier: MIT
/// The folder of a run or a comparison: whether it may be written to, gone on with, or begun afresh.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam::programs {

/// What the run in a folder is to be.
struct RunFolder {
  std::filesystem::path out;
  std::string what = "run";  ///< for messages: "run" or "comparison"
  nlohmann::json config;     ///< every option, as `--config` takes them
  bool resume = false, overwrite = false;
  std::vector<std::string> free_options;  ///< beside those of the machine, what a continuation may change
};

/// Throws `Error` where files cannot be made in `folder`, which need not exist yet. Writes nothing.
void check_writable(const std::filesystem::path& folder);

/// Throws `Error` where the folder cannot be written to, holds a run that must not be touched, or the same with other
/// options. Writes nothing.
void check_run_folder(const RunFolder& run);

/// Removes what the run or comparison of `out` has learnt and scored, so that one that begins afresh and is killed
/// cannot be taken for the older one when it is resumed. Predictions and pictures are replaced as they come. Other runs
/// in folders below `out` are left alone.
void forget_run(const std::filesystem::path& out);

}  // namespace pam::programs
