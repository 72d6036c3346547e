// SPDX-License-Identifier: MIT
/// The charts of a report: training curves, and the scores of the cases.
#pragma once

#include "report/chart.hpp"

#include <pam/report/network_result.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// The training loss of each network by epoch, on a logarithmic axis where it spans more than a factor of 20.
[[nodiscard]] inline Chart loss_chart(const std::vector<NetworkResult>& results) {
  Chart chart{"Training loss", "epoch", "loss"};
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    Series series{results[i].name, {}, {}, Mark::Line, {}, static_cast<int>(i)};
    for (const auto& point : results[i].epochs) {
      series.x.push_back(static_cast<double>(point.epoch));
      series.y.push_back(point.loss);
      if (!std::isfinite(point.loss)) continue;
      low = std::min(low, point.loss);
      high = std::max(high, point.loss);
    }
    chart.series.push_back(std::move(series));
  }
  chart.log_y = low > 0 && high > 20 * low;
  if (!chart.log_y && low >= 0) chart.y_low = 0;
  return chart;
}

/// The validation score of each network by epoch; no series where there was no validation.
[[nodiscard]] inline Chart validation_chart(const std::vector<NetworkResult>& results, const std::string& score) {
  Chart chart{"Validation", "epoch", score};
  for (std::size_t i = 0; i < results.size(); ++i) {
    Series series{results[i].name, {}, {}, Mark::Line, {}, static_cast<int>(i)};
    for (const auto& point : results[i].epochs) {
      if (!point.validation) continue;  // not every epoch need be validated
      series.x.push_back(static_cast<double>(point.epoch));
      series.y.push_back(*point.validation);
    }
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  chart.y_low = 0;
  chart.y_high = 1;
  return chart;
}

/// One point per case in a column per network; the columns are spread a little, by the case's position, so that equal
/// scores do not hide each other, and a case is at the same place in every column.
[[nodiscard]] inline Chart case_scatter(const std::vector<NetworkResult>& results,
                                        std::optional<double> CaseScores::*metric, const std::string& title,
                                        const std::string& label) {
  Chart chart{title, "", label};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& cases = results[i].cases;
    Series series{"", {}, {}, Mark::Points, {}, static_cast<int>(i)};
    for (std::size_t c = 0; c < cases.size(); ++c) {
      const double share = cases.size() > 1 ? static_cast<double>(c) / static_cast<double>(cases.size() - 1) - 0.5 : 0;
      series.x.push_back(static_cast<double>(i) + 0.5 * share);
      series.y.push_back((cases[c].*metric).value_or(std::numeric_limits<double>::quiet_NaN()));
    }
    chart.series.push_back(std::move(series));
    chart.x_names.push_back(results[i].name);
  }
  chart.y_low = 0;
  return chart;
}

}  // namespace pam::apps
