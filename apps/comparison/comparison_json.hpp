// SPDX-License-Identifier: MIT
/// A comparison as JSON, with every number in full precision.
#pragma once

#include "comparison/comparison.hpp"
#include "comparison/comparison_statistics.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pam::apps {
namespace detail {

inline nlohmann::ordered_json or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

inline nlohmann::ordered_json net_json(const NetSummary& net) {
  nlohmann::ordered_json json{{"net", net.net}, {"parameters", net.parameters}, {"repeats", net.repeats}};
  json["training_seconds"] = {{"mean", or_null(net.seconds.mean)}, {"std", or_null(net.seconds.std)}};
  for (const auto& metric : case_metrics()) {
    const auto over_repeats = net.of(metric.key);
    auto& entry = json["scores"][metric.key];
    entry = {{"mean", or_null(over_repeats.mean)}, {"std", or_null(over_repeats.std)}};
    entry["per_repeat"] = nlohmann::ordered_json::array();
    for (const auto& summary : net.each) entry["per_repeat"].push_back(or_null(summary.of(metric.key).mean));
  }
  json["each_repeat"] = nlohmann::ordered_json::array();
  for (const auto& summary : net.each) json["each_repeat"].push_back(pam::to_json(summary));
  json["cases"] = nlohmann::ordered_json::array();
  for (const auto& scores : net.cases) json["cases"].push_back(pam::to_json(scores));
  return json;
}

inline nlohmann::ordered_json test_json(const PairedTest& test) {
  const bool tested = test.p_value.has_value();
  return {{"score", test.metric},
          {"net", test.net},
          {"pairs", test.pairs},
          {"left_out_undefined", test.undefined},
          {"left_out_unpaired", test.unpaired},
          {"better", test.better},
          {"worse", test.worse},
          {"mean_difference", or_null(test.difference)},
          {"statistic", tested ? nlohmann::ordered_json(test.wilcoxon.statistic) : nlohmann::ordered_json(nullptr)},
          {"exact", tested ? nlohmann::ordered_json(test.wilcoxon.exact) : nlohmann::ordered_json(nullptr)},
          {"p", or_null(test.p_value)},
          {"p_holm", or_null(test.p_holm)}};
}

}  // namespace detail

/// {"folds", "repeats", "distance_unit", "baseline": name or null, "networks": [{"net", "parameters", "repeats": the
/// complete ones, "training_seconds", "scores": {key: {"mean", "std", "per_repeat"}}, "each_repeat": aggregates as
/// `evaluate` writes them, "cases": each case's mean over repeats}…], "tests": […], "failed": […]}.
[[nodiscard]] inline nlohmann::ordered_json comparison_json(const Comparison& comparison,
                                                            const std::vector<NetSummary>& nets,
                                                            const std::string& baseline,
                                                            const std::vector<PairedTest>& tests) {
  nlohmann::ordered_json json{
      {"folds", comparison.folds}, {"repeats", comparison.repeats}, {"distance_unit", comparison.unit}};
  json["baseline"] = baseline.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(baseline);
  for (const char* key : {"networks", "tests", "failed"}) json[key] = nlohmann::ordered_json::array();
  for (const auto& net : nets) json["networks"].push_back(detail::net_json(net));
  for (const auto& test : tests) json["tests"].push_back(detail::test_json(test));
  for (const auto& cell : comparison.failed) {
    json["failed"].push_back(
        {{"net", cell.net}, {"fold", cell.fold}, {"repeat", cell.repeat}, {"reason", cell.reason}});
  }
  return json;
}

}  // namespace pam::apps
