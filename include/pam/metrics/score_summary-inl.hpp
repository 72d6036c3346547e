// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/score_summary.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <utility>

namespace pam {

PAM_FUNC const MetricSummary& ScoreSummary::of(const std::string& key) const {
  for (const auto& metric : metrics) {
    if (metric.key == key) return metric;
  }
  fail("ScoreSummary: there is no score \"{}\"; see case_metrics()", key);
}

PAM_FUNC MetricSummary mean_and_std(const std::vector<double>& values, std::string key) {
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

PAM_FUNC ScoreSummary summarise(const std::vector<CaseScores>& cases) {
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

PAM_FUNC nlohmann::ordered_json to_json(const ScoreSummary& summary) {
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

PAM_FUNC nlohmann::ordered_json scores_to_json(const std::vector<CaseScores>& cases, bool counts) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& scores : cases) list.push_back(to_json(scores, counts));
  nlohmann::ordered_json json;
  json["cases"] = std::move(list);
  json["aggregate"] = to_json(summarise(cases));
  return json;
}

}  // namespace pam
