// SPDX-License-Identifier: MIT
/// Focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5, https://arxiv.org/abs/1708.02002):
///     FL = -α_t (1 - p_t)^γ log p_t,
/// where p_t is the probability of the true class and α_t is α for foreground, 1 - α for background.
#pragma once

#include <pam/losses/detail/loss_target.hpp>

#include <limits>

namespace pam {

struct FocalOptions : LossOptions {
  double gamma = 2;     ///< >= 0; 0 is (weighted) cross-entropy
  double alpha = 0.25;  ///< in [0, 1]; weight of the foreground, the background has 1 - alpha; negative: no weights
};

namespace detail {

/// One channel. With s = log sigmoid: log p = s(z) and log(1 - p) = s(-z), so nothing overflows and no power of zero is
/// differentiated. Soft labels weigh the two terms.
inline torch::Tensor binary_focal(const torch::Tensor& z, const torch::Tensor& t, const FocalOptions& options) {
  const double foreground = options.alpha < 0 ? 1 : options.alpha, background = options.alpha < 0 ? 1 : 1 - foreground;
  const auto log_p = torch::log_sigmoid(z), log_q = torch::log_sigmoid(-z);
  return -foreground * t * torch::exp(options.gamma * log_q) * log_p -
         background * (1 - t) * torch::exp(options.gamma * log_p) * log_q;
}

/// Softmax over channels; α weighs classes 1 and up, 1 - α the background.
inline torch::Tensor softmax_focal(const torch::Tensor& z, const torch::Tensor& t, const FocalOptions& options) {
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

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar >= 0, the mean over all pixels
/// that are not ignored. Throws as `make_target` does, on gamma < 0 and on alpha > 1.
inline torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                                const FocalOptions& options = {}) {
  check(options.gamma >= 0, "focal_loss: gamma must not be negative, got {}", options.gamma);
  check(options.alpha <= 1, "focal_loss: alpha must be at most 1 (negative switches it off), got {}", options.alpha);
  const auto target = make_target(logits, labels, options, "focal_loss");
  const auto z = detail::widened(target.masked(logits));
  const auto terms = z.size(1) == 1 ? detail::binary_focal(z, target.target, options)
                                    : detail::softmax_focal(z, target.target, options);
  return detail::pixel_mean(target.masked(terms).sum(), target, options);
}

}  // namespace pam
