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
/// `modalities` one folder a case), or files: a case each where the net takes what one file holds (`channels` is 1 or
/// the files are pictures), else the modalities of one case, in channel order. Throws `Error` where nothing is found.
std::vector<CaseFiles> find_inputs(const std::vector<std::string>& inputs, const std::vector<std::string>& modalities,
                                   std::int64_t channels);

/// Throws `Error` where `out` cannot be written to, and where results would lie on an input, on each other, or, without
/// `overwrite`, on files that are there: they may be somebody's labels. `probabilities`: maps a case, one a channel of
/// the net; 0: masks alone.
void check_results(const std::vector<CaseFiles>& cases, std::int64_t probabilities, const std::filesystem::path& out,
                   bool overwrite);

/// One line that moves on a terminal, with the time left over all cases; elsewhere one line a case.
class ProgressLine {
 public:
  explicit ProgressLine(std::size_t cases);
  void show(const std::string& name, std::int64_t done, std::int64_t total);
  void finish(const std::string& text);

 private:
  Stopwatch watch_;
  std::size_t cases_, finished_ = 0;
  double shown_ = -1;
  bool terminal_;
};

}  // namespace pam::apps
