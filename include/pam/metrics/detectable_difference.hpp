// SPDX-License-Identifier: MIT
/// `detectable_difference`: the smallest mean difference that a paired comparison of a given number of cases can
/// detect; and `student_t_quantile`, for the confidence interval of a mean.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>

namespace pam {

/// The value that Student's t distribution with `freedom` degrees of freedom stays below with probability `share`. The
/// interval of a mean of n values with the sample standard deviation s, at level 95 %, is
/// mean ± student_t_quantile(0.975, n - 1) s / sqrt(n). Throws `Error` unless 0.5 <= share < 1 and freedom >= 1.
[[nodiscard]] double student_t_quantile(double share, std::int64_t freedom);

/// The smallest true mean difference that a two-sided paired t-test at level `alpha` finds with probability `power`,
/// where `pairs` differences vary with the standard deviation `deviation` (Cohen 1988, section 2.3; exact, by the
/// noncentral t distribution). In the unit of `deviation`. If the differences are normally distributed, the Wilcoxon
/// signed-rank test needs 1 / sqrt(3 / pi) = 1.023 times as much, and never more than 1.08 times whatever symmetric
/// distribution they have (asymptotically; Hodges and Lehmann 1956).
/// Throws `Error` for fewer than 2 pairs, a deviation that is negative or not finite, and unless 0 < alpha < power < 1.
[[nodiscard]] double detectable_difference(std::int64_t pairs, double deviation, double alpha = 0.05,
                                           double power = 0.8);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/detectable_difference-inl.hpp>
#endif
