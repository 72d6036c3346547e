// SPDX-License-Identifier: MIT
/// Paired comparison of two networks over cases: the Wilcoxon signed-rank test, the effect size that belongs to it, and
/// Holm's correction for several tests.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>
#include <vector>

namespace pam {

struct WilcoxonResult {
  double statistic = 0;    ///< the smaller of the two rank sums
  double p_value = 1;      ///< two-sided
  std::int64_t pairs = 0;  ///< pairs that differ: those that were ranked
  bool exact = true;       ///< from the exact distribution, not the normal approximation
};

/// a - b of each pair, without what rounding adds: a difference of at most 1e-12 of the largest |value| is 0, and sizes
/// that lie as close together are one size, the smallest of them. Without this, equal means of the same numbers in
/// another order would be ranked by their last bits. Throws as `wilcoxon_signed_rank`.
[[nodiscard]] std::vector<double> paired_differences(const std::vector<double>& a, const std::vector<double>& b);

/// Two-sided Wilcoxon signed-rank test of paired samples (Wilcoxon 1945), on their `paired_differences`. Pairs without
/// a difference are dropped first (scipy's zero_method "wilcox"). For at most 50 remaining pairs p is exact, with ties
/// too: twice the share of the 2^n sign patterns whose rank sum is as small (scipy's PermutationMethod over all
/// patterns); for more, the normal approximation with tie correction, without continuity correction (scipy's method
/// "approx"). No remaining pair: p = 1.
/// Throws on samples of different or zero length, and on values that are not finite: pair up cases where both networks
/// have a score (`hd95_penalised` has one in every case that is not empty).
[[nodiscard]] WilcoxonResult wilcoxon_signed_rank(const std::vector<double>& a, const std::vector<double>& b);

/// The matched-pairs rank-biserial correlation (Kerby 2014): of the sum of the ranks of |difference|, the share of
/// positive differences minus that of negative ones. -1 to 1; 0 where neither sign prevails, or no difference is left:
/// equal pairs (0) are dropped, as in `wilcoxon_signed_rank`. Throws on values that are not finite.
[[nodiscard]] double rank_biserial(const std::vector<double>& differences);

/// Holm's step-down correction (Holm 1979): p-values adjusted for `p.size()` tests, in the order given, at most 1. A
/// test is significant at level α over the whole family where its adjusted value is at most α. Throws on values outside
/// [0, 1].
[[nodiscard]] std::vector<double> holm_correction(const std::vector<double>& p);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/statistics-inl.hpp>
#endif
