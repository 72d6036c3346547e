// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/config.hpp>
#include <pam/metrics/paired_tests.hpp>
#include <pam/metrics/score_summary.hpp>

#include <map>

namespace pam {

PAM_FUNC PairedTest paired_test(const std::string& net, const std::vector<CaseScores>& cases,
                                const std::vector<CaseScores>& baseline, const std::string& metric) {
  const CaseMetric* score = nullptr;
  for (const auto& each : case_metrics()) {
    if (metric == each.key) score = &each;
  }
  check(score != nullptr, "paired_test: there is no score \"{}\"; see case_metrics()", metric);
  PairedTest test;
  test.net = net;
  test.metric = metric;
  const auto by_name = [](const std::vector<CaseScores>& all) {
    std::map<std::string, const CaseScores*> named;
    for (const auto& each : all) {
      check(named.emplace(each.name, &each).second, "paired_test: the case {} is there twice; cases pair by name",
            each.name);
    }
    return named;
  };
  auto others = by_name(baseline);
  std::vector<double> a, b;
  static_cast<void>(by_name(cases));
  for (const auto& scores : cases) {
    const auto other = others.find(scores.name);
    if (other == others.end()) {
      ++test.unpaired;
      continue;
    }
    const auto &mine = scores.*score->value, &theirs = other->second->*score->value;
    others.erase(other);
    if (!mine || !theirs) {
      ++test.undefined;
      continue;
    }
    a.push_back(*mine);
    b.push_back(*theirs);
  }
  test.unpaired += static_cast<std::int64_t>(others.size());
  test.pairs = static_cast<std::int64_t>(a.size());
  if (a.empty()) return test;
  test.differences = paired_differences(a, b);
  for (const double difference : test.differences) {
    if (difference != 0) ++((difference > 0) == score->higher_is_better ? test.better : test.worse);
  }
  test.difference = mean_and_std(test.differences).mean;
  test.wilcoxon = wilcoxon_signed_rank(a, b);
  test.p_value = test.wilcoxon.p_value;
  return test;
}

PAM_FUNC void correct_holm(std::vector<PairedTest>& tests) {
  std::vector<double> p;
  for (const auto& test : tests) {
    if (test.p_value) p.push_back(*test.p_value);
  }
  const auto adjusted = holm_correction(p);
  std::size_t next = 0;
  for (auto& test : tests) {
    if (test.p_value) test.p_holm = adjusted[next++];
  }
}

}  // namespace pam
