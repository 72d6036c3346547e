// SPDX-License-Identifier: MIT
/// The folder of a run or a comparison: whether it may be written to, gone on with, or begun afresh.
#pragma once

#include "report/run_record.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// What the run in a folder is to be.
struct RunFolder {
  std::filesystem::path out;
  std::string what = "run";  ///< for messages: "run" or "comparison"
  nlohmann::json config;     ///< every option, as `--config` takes them
  bool resume = false, overwrite = false;
  bool allow_changes = false;             ///< what `fit` lets differ on request may differ
  std::vector<std::string> free_options;  ///< beside those of the machine, what a continuation may change
};

/// Throws `Error` where files cannot be made in `folder`, which need not exist yet; `option` named it. Writes nothing.
void check_writable(const std::string& option, const std::filesystem::path& folder);

/// Throws `Error` where the folder cannot be written to, holds a run that must not be touched, or the same with other
/// options. Writes nothing.
void check_run_folder(const RunFolder& run);

/// Removes what the run or comparison of `out` has learnt, scored, predicted and reported, so that one that begins
/// afresh and is killed cannot be taken for the older one when it is resumed or read. Other runs in folders below
/// `out`, and files that are no run's, are left alone.
void forget_run(const std::filesystem::path& out);

/// Keeps a fingerprint of each of `files` in `folder`/data.json, where the run begins; returns a warning of how they
/// differ from those that a run that goes on (`resume`) was begun with, or nothing.
std::string keep_data(const std::filesystem::path& folder, const std::vector<FileFingerprint>& files, bool resume);

}  // namespace pam::apps
