// SPDX-License-Identifier: MIT
/// `summarise`: the scores of many cases as mean ± sample standard deviation, the pooled scores, and by name the cases
/// that a mean hides: missed ones, false alarms and empty ones.
#pragma once

#include <pam/metrics/case_scores.hpp>

#include <cmath>
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
  [[nodiscard]] const MetricSummary& of(const std::string& key) const {
    for (const auto& metric : metrics) {
      if (metric.key == key) return metric;
    }
    fail("ScoreSummary: there is no score \"{}\"; see case_metrics()", key);
  }
};

/// Mean and sample standard deviation of `values`.
[[nodiscard]] inline MetricSummary mean_and_std(const std::vector<double>& values, std::string key = {}) {
  MetricSummary result{std::move(key), std::nullopt, std::nullopt, static_cast<std::int64_t>(values.size())};
  if (values.empty()) return result;
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  result.mean = sum / n;
  for (const double value : values) squares += (value - *result.mean) * (value - *result.mean);
  if (values.size() > 1) result.std = std::sqrt(squares / (n - 1));
  return result;
}

/// Aggregates cases. Each mean is over the cases where that score is defined, and says how many those are.
[[nodiscard]] inline ScoreSummary summarise(const std::vector<CaseScores>& cases) {
  ScoreSummary summary;
  summary.cases = static_cast<std::int64_t>(cases.size());
  for (const auto& metric : case_metrics()) {
    std::vector<double> values;
    for (const auto& scores : cases) {
      if (const auto& value = scores.*metric.value) values.push_back(*value);
    }
    summary.metrics.push_back(mean_and_std(values, metric.key));
  }
  for (const auto& scores : cases) {
    summary.pooled.confusion += scores.confusion;
    if (scores.missed) summary.missed.push_back(scores.name);
    if (scores.false_alarm) summary.false_alarms.push_back(scores.name);
    if (scores.empty) summary.empty.push_back(scores.name);
  }
  summary.pooled.name = "pooled";
  detail::score_counts(summary.pooled);
  return summary;
}

/// {"cases": n, "mean": {…}, "std": {…}, "n": {…}, "pooled": {…}, "missed": 2, "false_alarm": 0, "empty": 1,
/// "missed_cases": […], "false_alarm_cases": […], "empty_cases": […]}. "n" says over how many cases each mean is;
/// "pooled" holds the scores that counts give (no distances).
[[nodiscard]] inline nlohmann::ordered_json to_json(const ScoreSummary& summary) {
  using Json = nlohmann::ordered_json;
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  Json json{{"cases", summary.cases},
            {"mean", Json::object()},
            {"std", Json::object()},
            {"n", Json::object()},
            {"pooled", Json::object()},
            {"missed", summary.missed.size()},
            {"false_alarm", summary.false_alarms.size()},
            {"empty", summary.empty.size()}};
  for (const auto& metric : summary.metrics) {
    json["mean"][metric.key] = or_null(metric.mean);
    json["std"][metric.key] = or_null(metric.std);
    json["n"][metric.key] = metric.cases;
  }
  for (const auto* key : {"iou", "miou", "dice", "mdice", "fp_percent", "fn_percent"}) {
    for (const auto& metric : case_metrics()) {
      if (std::string(metric.key) == key) json["pooled"][key] = or_null(summary.pooled.*metric.value);
    }
  }
  json["missed_cases"] = summary.missed;
  json["false_alarm_cases"] = summary.false_alarms;
  json["empty_cases"] = summary.empty;
  return json;
}

/// {"cases": [one object per case], "aggregate": {…}}: what `evaluate --json` writes. `counts`: each case also gets its
/// pixel counts, so that `case_scores_from_json` can read it back.
[[nodiscard]] inline nlohmann::ordered_json scores_to_json(const std::vector<CaseScores>& cases, bool counts = false) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& scores : cases) list.push_back(to_json(scores, counts));
  nlohmann::ordered_json json;
  json["cases"] = std::move(list);
  json["aggregate"] = to_json(summarise(cases));
  return json;
}

}  // namespace pam
