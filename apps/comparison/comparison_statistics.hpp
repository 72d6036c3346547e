// SPDX-License-Identifier: MIT
/// Networks against a baseline, case by case: the Wilcoxon signed-rank test on each case's mean over repeats, and
/// Holm's correction over the networks of one score.
#pragma once

#include "comparison/comparison.hpp"

#include <pam/metrics/statistics.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

/// One network against the baseline in one score.
struct PairedTest {
  std::string net, metric;
  std::int64_t pairs = 0;              ///< cases where both have the score
  std::int64_t undefined = 0;          ///< left out: both scored the case, and one of them or both have no value
  std::int64_t unpaired = 0;           ///< left out: one of them never scored the case, for a cell failed
  std::int64_t better = 0, worse = 0;  ///< cases; the rest of `pairs` is equal
  std::optional<double> difference;    ///< mean over the pairs of network - baseline
  WilcoxonResult wilcoxon;             ///< meaningless where `pairs` is 0
  std::optional<double> p_value;       ///< none where `pairs` is 0
  std::optional<double> p_holm;        ///< over the networks with pairs
};

/// The scores that are tested.
inline const std::vector<std::string>& tested_metrics() {
  static const std::vector<std::string> keys{"iou", "hd95_penalised"};
  return keys;
}

namespace detail {

inline const CaseMetric& metric_of(const std::string& key) {
  for (const auto& metric : case_metrics()) {
    if (key == metric.key) return metric;
  }
  fail("there is no score \"{}\"; see case_metrics()", key);
}

inline PairedTest paired_test(const NetSummary& net, const NetSummary& baseline, const CaseMetric& metric) {
  PairedTest test;
  test.net = net.net;
  test.metric = metric.key;
  std::map<std::string, const CaseScores*> others;
  for (const auto& scores : baseline.cases) others[scores.name] = &scores;
  std::vector<double> a, b, differences;
  for (const auto& scores : net.cases) {
    const auto other = others.find(scores.name);
    if (other == others.end()) {
      ++test.unpaired;
      continue;
    }
    const auto &mine = scores.*metric.value, &theirs = other->second->*metric.value;
    others.erase(other);
    if (!mine || !theirs) {
      ++test.undefined;
      continue;
    }
    a.push_back(*mine);
    b.push_back(*theirs);
    differences.push_back(*mine - *theirs);
    if (*mine != *theirs) ++((*mine > *theirs) == metric.higher_is_better ? test.better : test.worse);
  }
  test.unpaired += static_cast<std::int64_t>(others.size());
  test.pairs = static_cast<std::int64_t>(a.size());
  test.difference = mean_and_std(differences).mean;
  if (a.empty()) return test;
  test.wilcoxon = wilcoxon_signed_rank(a, b);
  test.p_value = test.wilcoxon.p_value;
  return test;
}

}  // namespace detail

/// Every network but `baseline` against it in the score `metric`. Throws where `baseline` is not among `summaries`.
[[nodiscard]] inline std::vector<PairedTest> paired_tests(const std::vector<NetSummary>& summaries,
                                                          const std::string& baseline, const std::string& metric) {
  const auto base = std::find_if(summaries.begin(), summaries.end(), [&](const auto& s) { return s.net == baseline; });
  check(base != summaries.end(), "baseline {}: is not among the networks compared", baseline);
  std::vector<PairedTest> tests;
  std::vector<double> p;
  for (const auto& summary : summaries) {
    if (summary.net == baseline) continue;
    tests.push_back(detail::paired_test(summary, *base, detail::metric_of(metric)));
    if (tests.back().p_value) p.push_back(*tests.back().p_value);
  }
  const auto adjusted = holm_correction(p);
  std::size_t next = 0;
  for (auto& test : tests) {
    if (test.p_value) test.p_holm = adjusted[next++];
  }
  return tests;
}

/// `paired_tests` for every one of `tested_metrics`, one after the other; none where `baseline` is empty.
[[nodiscard]] inline std::vector<PairedTest> all_paired_tests(const std::vector<NetSummary>& summaries,
                                                              const std::string& baseline) {
  std::vector<PairedTest> all;
  for (const auto& metric : tested_metrics()) {
    if (baseline.empty()) break;
    for (auto& test : paired_tests(summaries, baseline, metric)) all.push_back(std::move(test));
  }
  return all;
}

}  // namespace pam::apps
