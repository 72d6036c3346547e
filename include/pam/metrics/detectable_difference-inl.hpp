// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/detectable_difference.hpp>

#include <cmath>

namespace pam {
namespace detail {

/// The smallest x >= 0 with rising(x) >= target, by doubling and bisection to the last bits.
template <typename Function>
double first_reaching(double target, const Function& rising) {
  double low = 0, high = 1;
  while (rising(high) < target && high < 1e9) {
    low = high;
    high *= 2;
  }
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (rising(middle) < target ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// P(T > t) of the noncentral t distribution with `freedom` degrees of freedom: the mean of P(Z > t s - shift) over the
/// distribution of s = sqrt(chi² / freedom), by Simpson's rule over u = ln s. In u the integrand is smooth even for one
/// degree of freedom and extreme t.
PAM_FUNC double noncentral_t_tail(double t, double freedom, double shift) {
  const double log_scale = std::log(2.0) + freedom / 2 * std::log(freedom / 2) - std::lgamma(freedom / 2);
  // Beyond these ends lies less than 1e-15 of the distribution of s.
  const double first = -(40 / freedom + 10 / std::sqrt(freedom));
  const double last = 0.5 * std::log(1 + 90 / freedom + 14 / std::sqrt(freedom));
  constexpr int kSteps = 4000;
  const double step = (last - first) / kSteps;
  double sum = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double u = first + step * i, s = std::exp(u);
    const double density = std::exp(log_scale + freedom * u - freedom / 2 * s * s);
    const double weight = i == 0 || i == kSteps ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * density * 0.5 * std::erfc((t * s - shift) / std::sqrt(2.0));
  }
  return sum * step / 3;
}

}  // namespace detail

PAM_FUNC double student_t_quantile(double share, std::int64_t freedom) {
  check(share >= 0.5 && share < 1, "student_t_quantile: share must be 0.5 or more and below 1, got {}", share);
  check(freedom >= 1, "student_t_quantile: freedom must be at least 1, got {}", freedom);
  return detail::first_reaching(
      share, [&](double t) { return 1 - detail::noncentral_t_tail(t, static_cast<double>(freedom), 0); });
}

PAM_FUNC double detectable_difference(std::int64_t pairs, double deviation, double alpha, double power) {
  check(pairs >= 2, "detectable_difference: needs at least 2 pairs, got {}", pairs);
  check(std::isfinite(deviation) && deviation >= 0,
        "detectable_difference: the deviation must be finite and not negative, got {}", deviation);
  check(alpha > 0 && alpha < power && power < 1,
        "detectable_difference: alpha must be above 0, power above alpha and below 1, got {} and {}", alpha, power);
  const double freedom = static_cast<double>(pairs - 1);
  const double critical = student_t_quantile(1 - alpha / 2, pairs - 1);
  const double shift = detail::first_reaching(power, [&](double by) {
    return detail::noncentral_t_tail(critical, freedom, by) + detail::noncentral_t_tail(critical, freedom, -by);
  });
  return shift * deviation / std::sqrt(static_cast<double>(pairs));
}

}  // namespace pam
