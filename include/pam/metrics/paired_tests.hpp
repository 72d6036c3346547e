// SPDX-License-Identifier: MIT
/// `paired_test`: compares two networks in one score over the cases that both have scored, with the Wilcoxon
/// signed-rank test, and Holm's correction if several networks are tested against one baseline.
#pragma once

#include <pam/metrics/case_scores.hpp>
#include <pam/metrics/statistics.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam {

/// One network against a baseline in one score.
struct PairedTest {
  std::string net;                     ///< the network's name, for tables
  std::string metric;                  ///< as in `case_metrics`
  std::int64_t pairs = 0;              ///< cases where both have the score
  std::int64_t undefined = 0;          ///< left out: both scored the case, and one of them or both have no value
  std::int64_t unpaired = 0;           ///< left out: one of them never scored the case
  std::int64_t better = 0, worse = 0;  ///< cases; the rest of `pairs` is equal
  std::optional<double> difference;    ///< mean over the pairs of network - baseline
  std::vector<double> differences;  ///< network - baseline: `paired_differences`, in the order of the network's cases
  WilcoxonResult wilcoxon;          ///< meaningless where `pairs` is 0
  std::optional<double> p_value;    ///< none where `pairs` is 0
  std::optional<double> p_holm;     ///< over the networks with pairs: `correct_holm`
};

/// The scores of one network against those of a baseline in `metric` ("iou", "hd95_penalised", … as in `case_metrics`).
/// Cases are paired by name. Throws `Error` for an unknown metric and where a network scored one case twice.
[[nodiscard]] PairedTest paired_test(const std::string& net, const std::vector<CaseScores>& cases,
                                     const std::vector<CaseScores>& baseline, const std::string& metric);

/// Sets `p_holm` of all `tests` that have a p-value: Holm's correction for as many tests.
void correct_holm(std::vector<PairedTest>& tests);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/paired_tests-inl.hpp>
#endif
