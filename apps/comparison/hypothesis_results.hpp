// SPDX-License-Identifier: MIT
/// What a comparison says of its hypotheses: paired tests over cases (each case's mean over the repeats), Holm over the
/// hypotheses, effect sizes with bootstrap intervals, the spread over the seeds, and what the design could have seen.
/// And FN at equal FP: a network that only predicts more foreground has fewer false negatives and more false positives,
/// as has any network with a lower threshold; so each network is also judged at the threshold at which, on the
/// validation cases, its FP rate equals that of the other network at 0.5.
#pragma once

#include "comparison/comparison.hpp"
#include "comparison/hypotheses.hpp"
#include "report/chart.hpp"

#include <pam/metrics/paired_tests.hpp>
#include <pam/report/table.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// One cell at a threshold of its own.
struct MovedCell {
  ComparedCell cell;         ///< FN and FP rate and the counts of its test cases at `edge`; no other scores
  std::int64_t edge = 0;     ///< of the histograms: the threshold
  double validation_fp = 0;  ///< per cent at `edge`, the mean over the validation cases
  double reference_fp = 0;   ///< that of the other network at 0.5
  double bin_fn = 0;         ///< per cent of the foreground in the bin beside `edge`: how far bins can falsify FN
};

/// Every cell of `net` whose cell of `against` in the same fold and repeat is there, both with histograms, at the
/// threshold of equal FP. Of equally near ones the threshold next to 0.5.
[[nodiscard]] std::vector<MovedCell> cells_at_equal_fp(const Comparison& comparison, const std::string& net,
                                                       const std::string& against);

/// A network's score in one seed (repeat).
struct SeedScore {
  std::int64_t repeat = 0;
  double mean = 0;  ///< over the cases
};

struct HypothesisResult {
  Hypothesis hypothesis;
  PairedTest test;                      ///< `p_holm` is over all hypotheses
  std::vector<SeedScore> net, against;  ///< over the cases that are paired, of the repeats with every fold
  std::vector<SeedScore> seed_differences;
  std::optional<BootstrapInterval> seed_interval;  ///< of the mean of `seed_differences`, by Student's t, at 95 %
  std::optional<BootstrapInterval> net_interval, against_interval;  ///< of the mean over the pairs
  std::optional<BootstrapInterval> difference;                      ///< of `test.difference`
  std::optional<double> rank_biserial;                              ///< matched-pairs rank-biserial correlation
  std::optional<BootstrapInterval> rank_biserial_interval;
  std::optional<double> deviation;   ///< sample standard deviation of the paired differences
  std::optional<double> detectable;  ///< none: the test cannot reach its level with so few pairs
  std::optional<double> fp_gap;      ///< FN at equal FP: what is left of the difference of FP, in percentage points:
                                     ///< the largest of the cells
  std::string verdict;               ///< "holds", "the opposite holds", "not decided", "no pairs"
  std::vector<std::string> notes;    ///< what a reader of the verdict must know, each a sentence
};

/// FN at equal FP of one pair of networks, means over repeats.
struct EqualFpResult {
  std::string net, against;
  std::vector<MovedCell> cells;
  MetricSummary fn_half, fn_moved, fn_against, fp_half, fp_moved, fp_against;  ///< test cases, per cent
  std::optional<double> difference;                                            ///< of FN, moved - against, over cases
  std::optional<BootstrapInterval> interval;
};

struct HypothesisReport {
  std::vector<HypothesisResult> results;
  std::vector<EqualFpResult> equal_fp;     ///< of each pair of networks in a hypothesis on FN, where histograms exist
  double alpha = 0.05, each_alpha = 0.05;  ///< over all, and what the power statement grants each (Bonferroni's)
};

/// Both networks of a hypothesis are judged on the folds and repeats that both have.
[[nodiscard]] HypothesisReport judge(const Hypotheses& hypotheses, const Comparison& comparison);

/// Verdicts with effect sizes; seeds and power; FN at equal FP (last, where there is any).
[[nodiscard]] std::vector<Table> hypothesis_tables(const Hypotheses& hypotheses, const HypothesisReport& report);

/// One row for each hypothesis with every number, for CSV.
[[nodiscard]] Table hypothesis_rows(const HypothesisReport& report);
/// One row for each fold and repeat of each pair.
[[nodiscard]] Table equal_fp_rows(const HypothesisReport& report);

[[nodiscard]] nlohmann::ordered_json to_json(const Hypotheses& hypotheses, const HypothesisReport& report);

/// Two charts of one hypothesis, side by side: both networks, and their difference; a dot for each seed, and the mean
/// over the cases with its bootstrap interval.
[[nodiscard]] std::vector<Chart> hypothesis_charts(const HypothesisResult& result, double level);

/// FN against FP over all thresholds, a line for each network with histograms, mean over its cells; a dot at 0.5.
/// Without series where there are no histograms.
[[nodiscard]] Chart trade_chart(const Comparison& comparison);

}  // namespace pam::apps
