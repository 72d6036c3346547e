// SPDX-License-Identifier: MIT
/// Networks against a baseline, case by case: the paired test on each case's mean over repeats, and Holm's correction
/// over the networks of one score.
#pragma once

#include "comparison/comparison.hpp"

#include <pam/metrics/paired_tests.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// The scores that are tested.
inline const std::vector<std::string>& tested_metrics() {
  static const std::vector<std::string> keys{"iou", "hd95_penalised"};
  return keys;
}

/// Every network but `baseline` against it in the score `metric`, over the cells that both have. Throws where
/// `baseline` is not among the networks.
[[nodiscard]] inline std::vector<PairedTest> paired_tests(const Comparison& comparison, const std::string& baseline,
                                                          const std::string& metric) {
  const auto& nets = comparison.nets;
  check(std::find(nets.begin(), nets.end(), baseline) != nets.end(), "baseline {}: is not among the networks compared",
        baseline);
  const auto theirs = detail::cells_of(comparison, baseline);
  std::vector<PairedTest> tests;
  for (const auto& net : nets) {
    if (net == baseline) continue;
    const auto mine = detail::cells_of(comparison, net);
    tests.push_back(paired_test(net, detail::case_means(detail::with_partner(mine, theirs)),
                                detail::case_means(detail::with_partner(theirs, mine)), metric));
  }
  correct_holm(tests);
  return tests;
}

/// `paired_tests` for every one of `tested_metrics`, one after the other; none where `baseline` is empty.
[[nodiscard]] inline std::vector<PairedTest> all_paired_tests(const Comparison& comparison,
                                                              const std::string& baseline) {
  std::vector<PairedTest> all;
  for (const auto& metric : tested_metrics()) {
    if (baseline.empty()) break;
    for (auto& test : paired_tests(comparison, baseline, metric)) all.push_back(std::move(test));
  }
  return all;
}

}  // namespace pam::apps
