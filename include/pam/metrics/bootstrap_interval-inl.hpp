// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/bootstrap_interval.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

namespace pam {
namespace detail {

/// The `share` quantile of sorted values, linear between neighbours.
PAM_FUNC double sorted_quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), sorted.size() - 1);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

}  // namespace detail

PAM_FUNC BootstrapInterval bootstrap_interval(const std::vector<double>& values,
                                              const std::function<double(const std::vector<double>&)>& statistic,
                                              const BootstrapOptions& options) {
  check(!values.empty(), "bootstrap_interval: there are no values");
  check(options.resamples >= 1 && options.resamples <= 10000000,
        "BootstrapOptions::resamples must be 1 to 10000000, got {}", options.resamples);
  check(options.level > 0 && options.level < 1, "BootstrapOptions::level must be above 0 and below 1, got {}",
        options.level);
  for (std::size_t i = 0; i < values.size(); ++i) {
    check(std::isfinite(values[i]),
          "bootstrap_interval: values must be finite, value {} is {}; leave undefined cases out", i, values[i]);
  }
  // A draw is a product, not std::uniform_int_distribution, whose numbers differ between standard libraries.
  std::mt19937_64 random(options.seed);
  const auto count = static_cast<double>(values.size());
  const auto draw = [&] {
    return values[static_cast<std::size_t>(static_cast<double>(random() >> 11) * 0x1p-53 * count)];
  };
  std::vector<double> sample(values.size()), found;
  found.reserve(static_cast<std::size_t>(options.resamples));
  for (std::int64_t i = 0; i < options.resamples; ++i) {
    std::generate(sample.begin(), sample.end(), draw);
    found.push_back(statistic(sample));
    check(std::isfinite(found.back()), "bootstrap_interval: the statistic of a resample is {}; it must be finite",
          found.back());
  }
  std::sort(found.begin(), found.end());
  return {detail::sorted_quantile(found, (1 - options.level) / 2),
          detail::sorted_quantile(found, (1 + options.level) / 2)};
}

}  // namespace pam
