// SPDX-License-Identifier: MIT
/// `summarise`: the scores of many cases as mean ± sample standard deviation, the pooled scores, and by name the cases
/// that a mean hides: missed ones, false alarms and empty ones.
#pragma once

#include <pam/metrics/case_scores.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam {

/// One score over the cases in which it is defined.
struct MetricSummary {
  std::string key;             ///< as in `case_metrics`
  std::optional<double> mean;  ///< undefined where `cases` is 0
  std::optional<double> std;   ///< sample standard deviation (n - 1); undefined where `cases` is below 2
  std::int64_t cases = 0;      ///< how many cases the mean is over: print it beside the mean
};

/// The aggregate of a list of cases.
struct ScoreSummary {
  std::int64_t cases = 0;                 ///< all of them
  std::vector<MetricSummary> metrics;     ///< in the order of `case_metrics`
  CaseScores pooled;                      ///< from the summed counts; its distances are undefined
  std::vector<std::string> missed;        ///< names
  std::vector<std::string> false_alarms;  ///< names
  std::vector<std::string> empty;         ///< names

  /// The summary of one score; throws on an unknown key.
  [[nodiscard]] const MetricSummary& of(const std::string& key) const;
};

/// Mean and sample standard deviation of `values`.
[[nodiscard]] MetricSummary mean_and_std(const std::vector<double>& values, std::string key = {});

/// Aggregates cases. Each mean is over the cases where that score is defined, and says how many those are.
[[nodiscard]] ScoreSummary summarise(const std::vector<CaseScores>& cases);

/// {"cases": n, "mean": {…}, "std": {…}, "n": {…}, "pooled": {…}, "missed": 2, "false_alarm": 0, "empty": 1,
/// "missed_cases": […], "false_alarm_cases": […], "empty_cases": […]}. "n" says over how many cases each mean is;
/// "pooled" holds the scores that counts give (no distances).
[[nodiscard]] nlohmann::ordered_json to_json(const ScoreSummary& summary);

/// {"cases": [one object per case], "aggregate": {…}}: what `evaluate --json` writes. `counts`: each case also gets its
/// pixel counts, so that `case_scores_from_json` can read it back.
[[nodiscard]] nlohmann::ordered_json scores_to_json(const std::vector<CaseScores>& cases, bool counts = false);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/score_summary-inl.hpp>
#endif
