// SPDX-License-Identifier: MIT
/// Finite differences in float64: the independent source for every gradient.
#pragma once

#include <pam/core/torch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

namespace pam::test {

/// The largest |analytic - numeric| gradient error of scalar `f` with respect to `x` (float64, requires_grad),
/// relative to the largest analytic entry (or 1e-9 / step where all are smaller), over at most `probes` entries spread
/// evenly. Central differences with step 1e-6: truncation ~1e-12, rounding ~1e-10, so 1e-6 separates right from wrong
/// for smooth functions; a smaller step for instance norms of few pixels, whose third derivative is large.
inline double gradient_error(const std::function<torch::Tensor()>& f, torch::Tensor x, std::int64_t probes = 24,
                             double step = 1e-6) {
  x.mutable_grad() = torch::Tensor();
  f().backward();
  const auto analytic = x.grad().detach().clone().reshape(-1);
  torch::NoGradGuard no_grad;
  auto values = x.detach().view(-1);
  // Rounding of f leaves about 1e-14 / step in a difference, so gradients below the floor are compared absolutely: a
  // norm's weight before another norm has a gradient of zero but for rounding (torch 2.15 gave 1.5e-4 with a floor of
  // 1e-3).
  const auto scale = std::max(analytic.abs().max().item<double>(), 1e-9 / step);
  double worst = 0;
  const auto n = values.numel(), stride = std::max<std::int64_t>(1, n / probes);
  for (std::int64_t i = 0; i < n; i += stride) {
    const auto old = values[i].item<double>();
    values[i].fill_(old + step);
    const auto up = f().item<double>();
    values[i].fill_(old - step);
    const auto down = f().item<double>();
    values[i].fill_(old);
    worst = std::max(worst, std::abs((up - down) / (2 * step) - analytic[i].item<double>()) / scale);
  }
  return worst;
}

}  // namespace pam::test
