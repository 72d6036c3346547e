// SPDX-License-Identifier: MIT
/// What `predict` reads and writes: single files, several modalities of one case, or folders, and where results go.
#pragma once

#include <pam/core/stopwatch.hpp>
#include <pam/data/case_files.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// The cases of `inputs`, for a net of `channels` channels: one folder (files, NAME_0000 … channels, or with
/// `modalities` one folder per case), or files: one case per file if the net takes what one file holds (`channels` is 1
/// or the files are pictures), else the modalities of one case, in channel order. Where a folder holds one folder per
/// case and `modalities` is empty, `trained` (what the weights were trained on) is taken. `warnings` gets what of a
/// folder is left out, or does not fit together. Throws `Error` if nothing is found.
std::vector<CaseFiles> find_inputs(const std::vector<std::string>& inputs, const std::vector<std::string>& modalities,
                                   const std::vector<std::string>& trained, std::int64_t channels,
                                   std::vector<std::string>& warnings);

/// Throws `Error` where `out` cannot be written to, and where results would lie on an input, on each other, or, without
/// `overwrite`, on existing files: they may be somebody's labels. `probabilities`: maps per case, one per channel of
/// the net; 0: only masks.
void check_results(const std::vector<CaseFiles>& cases, std::int64_t probabilities, const std::filesystem::path& out,
                   bool overwrite);

/// Progress: on a terminal one line that is updated, with the time left over all cases; elsewhere one line per case.
class ProgressLine {
 public:
  explicit ProgressLine(std::size_t cases);
  /// `done` of `total` parts of the case `name`, which `before` others have gone before.
  void show(std::size_t before, const std::string& name, std::int64_t done, std::int64_t total);
  /// One more case is finished.
  void finish(const std::string& text);

 private:
  Stopwatch watch_;
  std::size_t cases_, finished_ = 0;
  double shown_ = -1;
  bool terminal_;
};

}  // namespace pam::apps
