// SPDX-License-Identifier: MIT
/// `bootstrap_interval`: a confidence interval for a statistic of a sample of cases, by resampling the cases.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace pam {

struct BootstrapOptions {
  std::int64_t resamples = 10000;
  double level = 0.95;     ///< of the interval
  std::uint64_t seed = 0;  ///< the same seed gives the same interval, on every machine
};

/// A confidence interval.
struct BootstrapInterval {
  double low = 0, high = 0;
};

/// The percentile bootstrap interval of `statistic` (Efron and Tibshirani 1993, chapter 13): `statistic` of as many
/// values drawn from `values` with replacement, again and again; between the (1 - level) / 2 and (1 + level) / 2
/// quantiles of what it gives (linear between order statistics, as numpy.quantile). `values` are one number per
/// independent case; with fewer than about ten, the interval is too narrow.
/// Throws `Error` without values, for values or statistics that are not finite, and for options out of range.
/// Example: `bootstrap_interval(differences, [](const auto& d) { return *mean_and_std(d).mean; })`
[[nodiscard]] BootstrapInterval bootstrap_interval(const std::vector<double>& values,
                                                   const std::function<double(const std::vector<double>&)>& statistic,
                                                   const BootstrapOptions& options = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/bootstrap_interval-inl.hpp>
#endif
