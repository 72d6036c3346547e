// SPDX-License-Identifier: MIT
/// `NetworkResult`: the scores, size and training time of one network, and the tables that compare several.
#pragma once

#include <pam/core/error.hpp>
#include <pam/metrics/score_summary.hpp>
#include <pam/report/name_list.hpp>
#include <pam/report/table.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// One epoch of a training; NaN and `std::nullopt` are undefined.
struct EpochPoint {
  std::int64_t epoch = 0;  ///< 1 = first
  double loss = std::numeric_limits<double>::quiet_NaN();
  double learning_rate = std::numeric_limits<double>::quiet_NaN();
  double seconds = std::numeric_limits<double>::quiet_NaN();  ///< training alone, without validation
  double data_wait_share = std::numeric_limits<double>::quiet_NaN();
  std::optional<double> validation;  ///< the score that decides about the best epoch; higher is better
};

/// A trained network with its scores on the test cases.
struct NetworkResult {
  std::string name;
  std::int64_t parameters = 0;
  std::vector<EpochPoint> epochs;
  std::vector<CaseScores> cases;
  std::string distance_unit = "mm";                           ///< of HD95: mm or pixels
  double seconds = std::numeric_limits<double>::quiet_NaN();  ///< wall time of the training

  /// Mean training time of an epoch; NaN before the first.
  [[nodiscard]] double seconds_per_epoch() const {
    double sum = 0;
    for (const auto& point : epochs) sum += point.seconds;
    return epochs.empty() ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(epochs.size());
  }
};

namespace detail {

/// The mean of a score, with its deviation where there is more than one case.
inline Cell summary_cell(const ScoreSummary& summary, const char* key) {
  const auto& metric = summary.of(key);
  if (!metric.mean) return Cell(std::nullopt);
  return metric.std ? Cell(*metric.mean, *metric.std) : Cell(*metric.mean);
}

/// Sentences about the cases that a mean hides.
inline void note_special_cases(Table& table, const NetworkResult& result, const ScoreSummary& summary) {
  const auto tell = [&](const std::vector<std::string>& names, const char* what, const char* meaning) {
    if (names.empty()) return;
    table.note(formatted("{}: {} ({}): {} ({}).", result.name, what, names.size(), name_list(names), meaning));
  };
  tell(summary.missed, "missed", "nothing of the foreground was found; HD95 leaves these out, HD95 pen. does not");
  tell(summary.false_alarms, "false alarms", "foreground was predicted where there is none");
  tell(summary.empty, "empty", "no foreground in truth and prediction, so no IoU, Dice and HD95");
}

}  // namespace detail

/// The comparison of networks: one row each, mean ± sample standard deviation over the cases (no deviation with one
/// case), parameters, and seconds per epoch. If a case was missed or is a false alarm, a column "HD95 pen." counts it
/// with the image's diagonal, and a note under the table names it.
[[nodiscard]] inline Table network_table(const std::vector<NetworkResult>& results, const std::string& caption) {
  bool special = false;
  for (const auto& result : results) {
    for (const auto& scores : result.cases) special = special || scores.missed || scores.false_alarm;
  }
  const auto unit = results.empty() ? std::string("mm") : results.front().distance_unit;
  std::vector<Column> columns{"net", {"IoU", 3}, {"Dice", 3}, {"HD95 " + unit, 1}};
  if (special) columns.emplace_back("HD95 pen. " + unit, 1);
  columns.insert(columns.end(), {{"FP %", 2}, {"FN %", 1}, {"parameters", 0, true}, {"s/epoch", 1}});
  Table table(caption, columns);
  for (const auto& result : results) {
    const auto summary = summarise(result.cases);
    std::vector<Cell> row{result.name};
    for (const char* key : {"iou", "dice", "hd95"}) row.push_back(detail::summary_cell(summary, key));
    if (special) row.push_back(detail::summary_cell(summary, "hd95_penalised"));
    for (const char* key : {"fp_percent", "fn_percent"}) row.push_back(detail::summary_cell(summary, key));
    row.insert(row.end(), {result.parameters, result.seconds_per_epoch()});
    table.row(std::move(row));
    detail::note_special_cases(table, result, summary);
  }
  return table;
}

/// Every score of every case of every network: for the report's folded table and for scores.csv.
[[nodiscard]] inline Table case_table(const std::vector<NetworkResult>& results, const std::string& caption) {
  std::vector<Column> columns{"case", "net"};
  for (const auto& metric : case_metrics()) columns.emplace_back(metric.key, 3);
  columns.emplace_back("remark");
  Table table(caption, columns);
  for (const auto& result : results) {
    for (const auto& scores : result.cases) {
      std::vector<Cell> row{scores.name, result.name};
      for (const auto& metric : case_metrics()) row.emplace_back(scores.*metric.value);
      row.emplace_back(scores.missed ? "missed" : scores.false_alarm ? "false alarm" : scores.empty ? "empty" : "");
      table.row(std::move(row));
    }
  }
  return table;
}

/// The names of the at most `count` cases with the lowest IoU, averaged over the networks that scored them, worst
/// first. Cases without an IoU (empty in truth and prediction) are not among them.
[[nodiscard]] inline std::vector<std::string> worst_cases(const std::vector<NetworkResult>& results,
                                                          std::size_t count = 5) {
  std::vector<std::string> names;
  std::vector<std::pair<double, std::int64_t>> sums;
  for (const auto& result : results) {
    for (const auto& scores : result.cases) {
      if (!scores.iou) continue;
      const auto at = static_cast<std::size_t>(std::find(names.begin(), names.end(), scores.name) - names.begin());
      if (at == names.size()) {
        names.push_back(scores.name);
        sums.emplace_back(0, 0);
      }
      sums[at].first += *scores.iou;
      ++sums[at].second;
    }
  }
  std::vector<std::pair<double, std::string>> order;
  for (std::size_t i = 0; i < names.size(); ++i) {
    order.emplace_back(sums[i].first / static_cast<double>(sums[i].second), names[i]);
  }
  std::sort(order.begin(), order.end());
  if (order.size() > count) order.resize(count);
  std::vector<std::string> worst;
  for (auto& [iou, name] : order) worst.push_back(std::move(name));
  return worst;
}

}  // namespace pam
