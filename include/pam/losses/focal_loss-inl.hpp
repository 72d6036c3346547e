// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/focal_loss.hpp>

#include <limits>

namespace pam {

namespace detail {

/// One channel. With s = log sigmoid: log p = s(z) and log(1 - p) = s(-z), so nothing overflows and no power of zero is
/// differentiated. Soft labels weigh the two terms.
PAM_FUNC torch::Tensor binary_focal(const torch::Tensor& z, const torch::Tensor& t, const FocalOptions& options) {
  const double foreground = options.alpha < 0 ? 1 : options.alpha, background = options.alpha < 0 ? 1 : 1 - foreground;
  const auto log_p = torch::log_sigmoid(z), log_q = torch::log_sigmoid(-z);
  return -foreground * t * torch::exp(options.gamma * log_q) * log_p -
         background * (1 - t) * torch::exp(options.gamma * log_p) * log_q;
}

/// Softmax over channels; α weighs classes 1 and up, 1 - α the background.
PAM_FUNC torch::Tensor softmax_focal(const torch::Tensor& z, const torch::Tensor& t, const FocalOptions& options) {
  const auto log_p = torch::log_softmax(z, 1);
  // Clamped off zero: for γ < 1 the derivative of 0^γ is infinite and would turn p_t = 1 into NaN.
  const auto rest = (1 - log_p.exp()).clamp_min(std::numeric_limits<float>::min());
  auto terms = -t * rest.pow(options.gamma) * log_p;
  if (options.alpha < 0) return terms;
  auto weights = torch::full({1, z.size(1), 1, 1}, options.alpha, z.options().requires_grad(false));
  weights.select(1, 0).fill_(1 - options.alpha);
  return terms * weights;
}

}  // namespace detail

PAM_FUNC torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                                  const FocalOptions& options) {
  check(options.gamma >= 0, "focal_loss: gamma must not be negative, got {}", options.gamma);
  check(options.alpha <= 1, "focal_loss: alpha must be at most 1 (negative switches it off), got {}", options.alpha);
  const auto target = make_target(logits, labels, options, "focal_loss");
  const auto z = detail::widened(target.masked(logits));
  const auto terms = z.size(1) == 1 ? detail::binary_focal(z, target.target, options)
                                    : detail::softmax_focal(z, target.target, options);
  return detail::pixel_mean(target.masked(terms).sum(), target, options);
}

}  // namespace pam
