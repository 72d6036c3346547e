// SPDX-License-Identifier: MIT
/// Tversky loss (Salehi et al. 2017, "Tversky loss function for image segmentation using 3D fully convolutional deep
/// networks", https://arxiv.org/abs/1706.05721): Dice with separate weights for false positives and false negatives,
///     1 - (TP + smooth) / (TP + α FP + β FN + smooth),   TP = Σ p·t, FP = Σ p·(1-t), FN = Σ (1-p)·t,
/// sums over the whole batch as in `dice_loss`. With α = β = 1/2 it is the Dice loss with twice the `smooth`.
#pragma once

#include <pam/losses/dice_loss.hpp>

namespace pam {

struct TverskyOptions : LossOptions {
  double alpha = 0.3;  ///< weight of a false positive, >= 0
  double beta = 0.7;   ///< weight of a false negative, >= 0 (0.3 and 0.7 gave the paper's best recall and F2 balance)
  double smooth = 1;   ///< positive
  bool per_class = false;  ///< as in `DiceOptions`
};

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar in [0, 1).
/// Throws as `make_target` does, and on negative weights and `smooth` <= 0.
inline torch::Tensor tversky_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                                  const TverskyOptions& options = {}) {
  check(options.smooth > 0, "tversky_loss: smooth must be positive (an empty batch would be 0/0), got {}",
        options.smooth);
  check(options.alpha >= 0 && options.beta >= 0,
        "tversky_loss: alpha and beta must not be negative, got alpha {} and beta {}", options.alpha, options.beta);
  const auto target = make_target(logits, labels, options, "tversky_loss");
  const auto sums = detail::reduced(detail::dice_sums(logits, target, options.per_class), options);
  const auto tp = sums[0], fp = sums[1] - tp, fn = sums[2] - tp;
  return (1 - (tp + options.smooth) / (tp + options.alpha * fp + options.beta * fn + options.smooth)).mean();
}

}  // namespace pam
