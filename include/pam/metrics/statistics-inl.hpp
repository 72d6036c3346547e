// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/statistics.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pam {

namespace detail {

/// Ranks 1 … n of `values`, equal ones sharing the mean of their ranks; adds t³ - t of each group of t equal ones.
PAM_FUNC std::vector<double> mean_ranks(const std::vector<double>& values, double& ties) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0, end = 0; i < order.size(); i = end) {
    for (end = i; end < order.size() && values[order[end]] == values[order[i]]; ++end) {
    }
    for (std::size_t j = i; j < end; ++j) ranks[order[j]] = static_cast<double>(i + 1 + end) / 2;
    const auto group = static_cast<double>(end - i);
    ties += group * group * group - group;
  }
  return ranks;
}

/// P(rank sum <= t) under the null hypothesis: of the 2^n sign patterns, the share whose positive ranks sum to `t` or
/// less. `ranks` and `t` may be halves, as ties have them.
PAM_FUNC double rank_sum_cdf(const std::vector<double>& ranks, double t) {
  const auto doubled = [](double rank) { return static_cast<std::size_t>(std::llround(2 * rank)); };
  std::vector<double> patterns{1};  // how many have each doubled sum
  for (const double rank : ranks) {
    const auto step = doubled(rank);
    patterns.resize(patterns.size() + step, 0);
    for (auto sum = patterns.size(); sum-- > step;) patterns[sum] += patterns[sum - step];
  }
  const auto end = patterns.begin() + static_cast<std::ptrdiff_t>(std::min(doubled(t) + 1, patterns.size()));
  return std::accumulate(patterns.begin(), end, 0.0) / std::pow(2.0, static_cast<double>(ranks.size()));
}

}  // namespace detail

PAM_FUNC std::vector<double> paired_differences(const std::vector<double>& a, const std::vector<double>& b) {
  check(a.size() == b.size() && !a.empty(),
        "paired_differences: the samples must be paired and not empty, got {} and {} values", a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    check(std::isfinite(a[i]) && std::isfinite(b[i]),
          "paired_differences: values must be finite, pair {} is {} and {}; leave undefined cases out of both samples",
          i, a[i], b[i]);
    largest = std::max({largest, std::abs(a[i]), std::abs(b[i])});
  }
  const double rounding = 1e-12 * largest;
  std::vector<double> differences(a.size());
  std::vector<std::size_t> order(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return std::abs(differences[i]) < std::abs(differences[j]); });
  double last = 0, size = 0;  // the size before, as it was, and what it became
  for (const auto i : order) {
    const double own = std::abs(differences[i]);
    if (own - last > rounding) size = own;
    last = own;
    differences[i] = size == 0 ? 0 : std::copysign(size, differences[i]);
  }
  return differences;
}

PAM_FUNC WilcoxonResult wilcoxon_signed_rank(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> sizes, signs;
  for (const double difference : paired_differences(a, b)) {
    if (difference == 0) continue;
    sizes.push_back(std::abs(difference));
    signs.push_back(difference > 0 ? 1 : -1);
  }
  double ties = 0, positive = 0;
  const auto ranks = detail::mean_ranks(sizes, ties);
  for (std::size_t i = 0; i < ranks.size(); ++i) positive += signs[i] > 0 ? ranks[i] : 0;
  WilcoxonResult result;
  result.pairs = static_cast<std::int64_t>(ranks.size());
  const auto n = static_cast<double>(ranks.size());
  result.statistic = std::min(positive, n * (n + 1) / 2 - positive);
  if (result.pairs == 0) return result;
  result.exact = result.pairs <= 50;
  if (result.exact) {
    result.p_value = std::min(1.0, 2 * detail::rank_sum_cdf(ranks, result.statistic));
  } else {
    const double deviation = std::sqrt((n * (n + 1) * (2 * n + 1) - ties / 2) / 24);
    const double z = (result.statistic - n * (n + 1) / 4) / deviation;
    result.p_value = std::erfc(std::abs(z) / std::sqrt(2.0));
  }
  return result;
}

PAM_FUNC double rank_biserial(const std::vector<double>& differences) {
  std::vector<double> sizes, signs;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    check(std::isfinite(differences[i]), "rank_biserial: differences must be finite, difference {} is {}", i,
          differences[i]);
    if (differences[i] == 0) continue;
    sizes.push_back(std::abs(differences[i]));
    signs.push_back(differences[i] > 0 ? 1 : -1);
  }
  if (sizes.empty()) return 0;
  double ties = 0, balance = 0;
  const auto ranks = detail::mean_ranks(sizes, ties);
  for (std::size_t i = 0; i < ranks.size(); ++i) balance += signs[i] * ranks[i];
  const auto n = static_cast<double>(ranks.size());
  return balance / (n * (n + 1) / 2);
}

PAM_FUNC std::vector<double> holm_correction(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const double value : p)
    check(value >= 0 && value <= 1, "holm_correction: p-values must be 0 to 1, got {}", value);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

}  // namespace pam
