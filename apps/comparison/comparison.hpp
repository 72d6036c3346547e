// SPDX-License-Identifier: MIT
/// A comparison's results: every finished cell (one network on one fold in one repeat), and their summary for each
/// network. Per repeat, the mean over all cases of all folds (each case is tested once per repeat); over repeats, mean
/// ± sample standard deviation of those means, as in the paper's tables. There is no training here, so tests can call
/// it.
#pragma once

#include "engine/probability_histograms.hpp"

#include <pam/core/error.hpp>
#include <pam/metrics/score_summary.hpp>
#include <pam/report/network_result.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// A cell that was trained and scored.
struct ComparedCell {
  std::string net;
  std::int64_t fold = 0, repeat = 0;
  NetworkResult result;
  bool reversed = false;                     ///< trained on 1 - label
  ProbabilityHistograms probabilities = {};  ///< empty without hypotheses
};

/// A cell that ended with an error, such as a loss that is not finite.
struct FailedCell {
  std::string net;
  std::int64_t fold = 0, repeat = 0;
  std::string reason;
};

struct Comparison {
  std::vector<std::string> nets;       ///< in the order of the tables
  std::vector<std::int64_t> folds{0};  ///< each tests other cases
  std::int64_t repeats = 1;
  std::string unit = "mm";  ///< of distances
  std::vector<ComparedCell> cells;
  std::vector<FailedCell> failed;
};

/// The summary of one network.
struct NetSummary {
  std::string net;
  std::int64_t parameters = 0;
  std::vector<std::int64_t> repeats;  ///< those with every fold; the others are in no mean
  std::vector<ScoreSummary> each;     ///< of those repeats: all cases of all folds
  /// Each case's scores as means over its repeats, each score over those where it is defined. `missed` and
  /// `false_alarm` are set where they were in any repeat, `empty` where it was in all; counts are summed.
  std::vector<CaseScores> cases;
  MetricSummary seconds;            ///< training time of a cell
  MetricSummary seconds_per_epoch;  ///< mean of each cell

  /// Mean and sample standard deviation over the repeats of the mean over cases; `cases` counts repeats.
  [[nodiscard]] MetricSummary of(const std::string& key) const {
    std::vector<double> means;
    for (const auto& summary : each) {
      if (const auto& mean = summary.of(key).mean) means.push_back(*mean);
    }
    return mean_and_std(means, key);
  }
};

namespace detail {

inline std::vector<const ComparedCell*> cells_of(const Comparison& comparison, const std::string& net) {
  std::vector<const ComparedCell*> cells;
  for (const auto& cell : comparison.cells) {
    if (cell.net == net) cells.push_back(&cell);
  }
  std::sort(cells.begin(), cells.end(),
            [](const auto* a, const auto* b) { return std::pair(a->fold, a->repeat) < std::pair(b->fold, b->repeat); });
  return cells;
}

/// Those of `cells` for which `others` has a cell of the same fold and repeat: where a training failed, its partner is
/// left out, so that two networks are judged on the same seeds.
inline std::vector<const ComparedCell*> with_partner(const std::vector<const ComparedCell*>& cells,
                                                     const std::vector<const ComparedCell*>& others) {
  std::set<std::pair<std::int64_t, std::int64_t>> there;
  for (const auto* cell : others) there.emplace(cell->fold, cell->repeat);
  std::vector<const ComparedCell*> kept;
  std::copy_if(cells.begin(), cells.end(), std::back_inserter(kept), [&](const auto* cell) {
    return there.count({cell->fold, cell->repeat}) > 0;
  });
  return kept;
}

/// All cases of one repeat, or none where a fold is missing. Throws where a case is tested twice.
inline std::vector<CaseScores> repeat_cases(const Comparison& comparison, const std::vector<const ComparedCell*>& cells,
                                            std::int64_t repeat) {
  std::vector<CaseScores> cases;
  std::map<std::string, std::int64_t> fold_of;
  std::set<std::int64_t> folds;
  for (const auto* cell : cells) {
    if (cell->repeat != repeat) continue;
    folds.insert(cell->fold);
    for (const auto& scores : cell->result.cases) {
      const auto [at, fresh] = fold_of.emplace(scores.name, cell->fold);
      check(fresh,
            "{}, repeat {}: case {} is tested in fold {} and in fold {}; every case must be tested once per repeat",
            cell->net, repeat, scores.name, at->second, cell->fold);
      cases.push_back(scores);
    }
  }
  const bool whole = std::all_of(comparison.folds.begin(), comparison.folds.end(),
                                 [&](std::int64_t fold) { return folds.count(fold) == 1; });
  return whole ? cases : std::vector<CaseScores>();
}

/// The mean of the scores of one case.
inline CaseScores mean_scores(const std::vector<const CaseScores*>& repeats) {
  CaseScores mean;
  mean.name = repeats.front()->name;
  mean.empty = true;
  for (const auto& metric : case_metrics()) {
    std::vector<double> values;
    for (const auto* scores : repeats) {
      if (const auto& value = scores->*metric.value) values.push_back(*value);
    }
    mean.*metric.value = mean_and_std(values).mean;
  }
  for (const auto* scores : repeats) {
    mean.confusion += scores->confusion;
    mean.missed = mean.missed || scores->missed;
    mean.false_alarm = mean.false_alarm || scores->false_alarm;
    mean.empty = mean.empty && scores->empty;
  }
  return mean;
}

inline std::vector<CaseScores> case_means(const std::vector<const ComparedCell*>& cells) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<const CaseScores*>> repeats;
  for (const auto* cell : cells) {
    for (const auto& scores : cell->result.cases) {
      auto& list = repeats[scores.name];
      if (list.empty()) names.push_back(scores.name);
      list.push_back(&scores);
    }
  }
  std::vector<CaseScores> means;
  for (const auto& name : names) means.push_back(mean_scores(repeats[name]));
  return means;
}

/// Seconds that a cell trained; NaN where its epochs are not known.
inline double training_seconds(const NetworkResult& result) {
  double sum = result.epochs.empty() ? std::nan("") : 0;
  for (const auto& point : result.epochs) sum += point.seconds;
  return sum;
}

inline MetricSummary finite_mean(const std::vector<const ComparedCell*>& cells, const char* key,
                                 double (*value)(const NetworkResult&)) {
  std::vector<double> values;
  for (const auto* cell : cells) {
    if (const double each = value(cell->result); std::isfinite(each)) values.push_back(each);
  }
  return mean_and_std(values, key);
}

}  // namespace detail

/// The summary of the network `net` as `cells` scored it; empty where there are none.
[[nodiscard]] inline NetSummary summarise_cells(const Comparison& comparison, const std::string& net,
                                                const std::vector<const ComparedCell*>& cells) {
  NetSummary summary;
  summary.net = net;
  if (!cells.empty()) summary.parameters = cells.front()->result.parameters;
  for (std::int64_t repeat = 0; repeat < comparison.repeats; ++repeat) {
    const auto cases = detail::repeat_cases(comparison, cells, repeat);
    if (cases.empty()) continue;
    summary.repeats.push_back(repeat);
    summary.each.push_back(summarise(cases));
  }
  summary.cases = detail::case_means(cells);
  summary.seconds = detail::finite_mean(cells, "seconds", detail::training_seconds);
  summary.seconds_per_epoch = detail::finite_mean(
      cells, "seconds_per_epoch", +[](const NetworkResult& result) { return result.seconds_per_epoch(); });
  return summary;
}

/// The same of all cells of `net` that finished.
[[nodiscard]] inline NetSummary summarise_net(const Comparison& comparison, const std::string& net) {
  return summarise_cells(comparison, net, detail::cells_of(comparison, net));
}

/// One summary per network, in the order of `comparison.nets`.
[[nodiscard]] inline std::vector<NetSummary> summarise_nets(const Comparison& comparison) {
  std::vector<NetSummary> summaries;
  for (const auto& net : comparison.nets) summaries.push_back(summarise_net(comparison, net));
  return summaries;
}

/// True for the networks that the paper compares its attentions with: all but fpa* and rfna*.
[[nodiscard]] inline bool is_baseline(const std::string& net) {
  return net.rfind("fpa", 0) != 0 && net.rfind("rfna", 0) != 0;
}

/// The baseline with the highest mean IoU, of equal ones that with the smallest penalised HD95, of equal ones the
/// first; empty where there is none with a mean.
[[nodiscard]] inline std::string best_baseline(const std::vector<NetSummary>& summaries) {
  std::string best;
  std::pair<double, double> best_score;
  for (const auto& summary : summaries) {
    const auto iou = summary.of("iou").mean;
    if (!is_baseline(summary.net) || !iou) continue;
    const std::pair score(*iou, -summary.of("hd95_penalised").mean.value_or(0));
    if (best.empty() || score > best_score) best = summary.net, best_score = score;
  }
  return best;
}

}  // namespace pam::apps
