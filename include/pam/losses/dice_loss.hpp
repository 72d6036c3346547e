// SPDX-License-Identifier: MIT
/// Soft Dice loss, as the paper's authors released it (NNLoss.py of moucheng2017/Pay_Attention_To_Mistakes):
///     1 - (2 Σ p·t + smooth) / (Σ p + Σ t + smooth),   smooth = 1,
/// with the sums over the whole flattened batch, not per image: an image without foreground then adds no constant of
/// its own to the loss. Options give the forms of other libraries, such as MONAI's `DiceLoss`: docs/losses.md.
/// (The hard Dice score of a case is `pam::dice` in metrics/overlap.hpp.)
#pragma once

#include <pam/losses/overlap_loss.hpp>

namespace pam {

struct DiceOptions : OverlapLossOptions {
  bool squared_pred = false;  ///< Σ p² + Σ t² below, as V-Net has it (Milletari et al. 2016); the name is MONAI's
  bool jaccard = false;       ///< the soft IoU: 1 - (2 Σ p·t + smooth) / (2 (Σ p + Σ t - Σ p·t) + smooth)
};

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar in [0, 1).
/// 0 where every pixel is ignored. Throws as `make_target` does, and on `smooth` <= 0.
torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& labels, const DiceOptions& options = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/dice_loss-inl.hpp>
#endif
