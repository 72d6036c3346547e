// SPDX-License-Identifier: MIT
/// Soft Dice loss, as the paper's authors released it (NNLoss.py of moucheng2017/Pay_Attention_To_Mistakes):
///     1 - (2 Σ p·t + smooth) / (Σ p + Σ t + smooth),   smooth = 1,
/// with the sums over the whole flattened batch, not per image: an image without foreground then adds no constant of
/// its own to the loss. (The hard Dice score of a case is `pam::dice` in metrics/overlap.hpp.)
#pragma once

#include <pam/kernels/dice.hpp>
#include <pam/losses/detail/loss_target.hpp>

namespace pam {

struct DiceOptions : LossOptions {
  double smooth = 1;       ///< added above and below; positive
  bool per_class = false;  ///< multi-class: false = one quotient over all classes, as released; true = the mean over
                           ///< classes of one quotient each, background included
};

namespace detail {

/// [Σ p·t, Σ p, Σ t] over the pixels that are not ignored: (3, 1) for one channel or one quotient, (3, C) per class.
inline torch::Tensor dice_sums(const torch::Tensor& logits, const LossTarget& target, bool per_class) {
  if (logits.size(1) == 1) {
    // sigmoid(-3e4) is 0 with a gradient of 0 in every floating type, so one mask-free kernel serves ignored pixels
    // too.
    const auto kept = target.valid.defined() ? logits.masked_fill(target.valid.logical_not(), -3e4) : logits;
    return kernels::dice_sums(kept, target.target, kernels::default_backend()).unsqueeze(1);
  }
  const auto p = target.masked(torch::softmax(widened(target.masked(logits)), 1));
  const auto over_pixels = [](const torch::Tensor& x) { return x.sum({0, 2, 3}); };
  const auto sums = torch::stack({over_pixels(p * target.target), over_pixels(p), over_pixels(target.target)});
  return per_class ? sums : sums.sum(1, /*keepdim=*/true);
}

}  // namespace detail

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar in [0, 1).
/// 0 where every pixel is ignored. Throws as `make_target` does, and on `smooth` <= 0.
inline torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                               const DiceOptions& options = {}) {
  check(options.smooth > 0, "dice_loss: smooth must be positive (an empty batch would be 0/0), got {}", options.smooth);
  const auto target = make_target(logits, labels, options, "dice_loss");
  const auto sums = detail::reduced(detail::dice_sums(logits, target, options.per_class), options);
  return (1 - (2 * sums[0] + options.smooth) / (sums[1] + sums[2] + options.smooth)).mean();
}

}  // namespace pam
