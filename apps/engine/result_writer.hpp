// SPDX-License-Identifier: MIT
/// Writes the results of a case while the next one is predicted.
#pragma once

#include "engine/prediction_files.hpp"

#include <pam/inference/predict_case.hpp>

#include <filesystem>
#include <future>
#include <string>

namespace pam::apps {

/// Writes one case at a time on a thread of its own, and reports it on `line`. The destructor waits for the thread.
class ResultWriter {
 public:
  /// `folder` is marked as one of results with the first of them. `line` must live as long as the writer.
  ResultWriter(std::filesystem::path folder, bool probabilities, ProgressLine& line);
  ResultWriter(const ResultWriter&) = delete;
  ResultWriter& operator=(const ResultWriter&) = delete;

  /// Starts to write these results, after `finish`.
  void start(CasePrediction found);
  /// Waits for what was started; reports it, or throws what writing it threw.
  void finish();
  /// The same without waiting: does nothing while it is being written.
  void finish_if_written();

 private:
  std::filesystem::path folder_;
  bool probabilities_;
  ProgressLine& line_;
  std::future<std::string> written_;
};

}  // namespace pam::apps
