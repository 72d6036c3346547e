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

/// P(rank sum <= t) under the null hypothesis: of the 2^n sign patterns, those whose positive ranks 1 … n sum to t or
/// less.
PAM_FUNC double rank_sum_cdf(std::int64_t n, std::int64_t t) {
  const auto most = n * (n + 1) / 2;
  std::vector<double> of_sum(static_cast<std::size_t>(most + 1), 0);
  double* patterns = of_sum.data();
  patterns[0] = 1;
  for (std::int64_t rank = 1; rank <= n; ++rank) {
    for (auto sum = most; sum >= rank; --sum) patterns[sum] += patterns[sum - rank];
  }
  return std::accumulate(patterns, patterns + t + 1, 0.0) / std::pow(2.0, static_cast<double>(n));
}

}  // namespace detail

PAM_FUNC WilcoxonResult wilcoxon_signed_rank(const std::vector<double>& a, const std::vector<double>& b) {
  check(a.size() == b.size() && !a.empty(),
        "wilcoxon_signed_rank: the samples must be paired and not empty, got {} and {} values", a.size(), b.size());
  std::vector<double> sizes, signs;
  for (std::size_t i = 0; i < a.size(); ++i) {
    check(
        std::isfinite(a[i]) && std::isfinite(b[i]),
        "wilcoxon_signed_rank: values must be finite, pair {} is {} and {}; leave undefined cases out of both samples",
        i, a[i], b[i]);
    if (a[i] == b[i]) continue;
    sizes.push_back(std::abs(a[i] - b[i]));
    signs.push_back(a[i] > b[i] ? 1 : -1);
  }
  double ties = 0, positive = 0;
  const auto ranks = detail::mean_ranks(sizes, ties);
  for (std::size_t i = 0; i < ranks.size(); ++i) positive += signs[i] > 0 ? ranks[i] : 0;
  WilcoxonResult result;
  result.pairs = static_cast<std::int64_t>(ranks.size());
  const auto n = static_cast<double>(ranks.size());
  result.statistic = std::min(positive, n * (n + 1) / 2 - positive);
  if (result.pairs == 0) return result;
  result.exact = result.pairs <= 25 && ties == 0;
  if (result.exact) {
    const auto tail = detail::rank_sum_cdf(result.pairs, static_cast<std::int64_t>(result.statistic));
    result.p_value = std::min(1.0, 2 * tail);
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
