// SPDX-License-Identifier: MIT
/// Tversky loss (Salehi et al. 2017, "Tversky loss function for image segmentation using 3D fully convolutional deep
/// networks", https://arxiv.org/abs/1706.05721): Dice with separate weights for false positives and false negatives,
///     1 - (TP + smooth) / (TP + α FP + β FN + smooth),   TP = Σ p·t, FP = Σ p·(1-t), FN = Σ (1-p)·t,
/// sums over the whole batch as in `dice_loss`, whose options it shares. With α = β = 1/2 it is the Dice loss with
/// twice the `smooth`.
#pragma once

#include <pam/losses/overlap_loss.hpp>

namespace pam {

struct TverskyOptions : OverlapLossOptions {
  double alpha = 0.3;  ///< weight of a false positive, >= 0
  double beta = 0.7;   ///< weight of a false negative, >= 0 (0.3 and 0.7 gave the paper's best recall and F2 balance)
};

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar in [0, 1).
/// Throws as `make_target` does, and on negative weights and `smooth` <= 0.
torch::Tensor tversky_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                           const TverskyOptions& options = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/tversky_loss-inl.hpp>
#endif
