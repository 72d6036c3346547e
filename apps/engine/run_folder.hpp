// SPDX-License-Identifier: MIT
/// The folder of a run or a comparison: whether it can be written to, continued, or started again.
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
  bool allow_changes = false;             ///< `changeable` options may differ, and the data may lie elsewhere
  std::vector<std::string> free_options;  ///< beside those of the machine, what a continuation may change
  /// What `fit` allows to differ on request.
  std::vector<std::string> changeable = {"epochs", "schedule", "optimizer", "clip_norm", "patience", "precision"};
};

/// Throws `Error` where files cannot be made in `folder`, which need not exist yet; `option` named it. Writes nothing.
void check_writable(const std::string& option, const std::filesystem::path& folder);

/// Throws `Error` where `out`, which `option` named, is the folder of one of `inputs`: what is written there would be
/// taken for inputs the next time. `example` is what the advice calls a folder inside.
void check_apart(const std::string& option, const std::filesystem::path& out,
                 const std::vector<std::filesystem::path>& inputs, const std::string& example);

/// Throws `Error` where the folder cannot be written to, holds a run that must not be touched, or the same with other
/// options. Writes nothing.
void check_run_folder(const RunFolder& run);

/// Creates `folder` and, if it was not there or was empty, leaves `kResultsMarker` in it: it is then never taken for a
/// case of the data that it may lie in. A folder that holds other files, which may be data, stays as it is.
void mark_results(const std::filesystem::path& folder);

/// Removes what the run or comparison of `out` has learnt, scored, predicted and reported, so that a new one that is
/// killed cannot be mistaken for the old one. Other runs in folders below `out`, and other files, are not touched.
void forget_run(const std::filesystem::path& out);

/// At the start of a run, keeps `parts` (`Task::parts`) in `folder`/parts.json. With `resume` throws `Error` where they
/// are not those that the run was started with: a split file or a label map may have been edited, and a network must
/// not be tested on what it was trained on.
void keep_parts(const std::filesystem::path& folder, const nlohmann::json& parts, bool resume);

/// At the start of a run, keeps a fingerprint of each of `files` in `folder`/data.json. With `resume` it returns a
/// warning if the files are not those that the run was started with, else nothing.
std::string keep_data(const std::filesystem::path& folder, const std::vector<FileFingerprint>& files, bool resume);

}  // namespace pam::apps
