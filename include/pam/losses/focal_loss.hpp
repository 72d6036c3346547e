// SPDX-License-Identifier: MIT
/// Focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5, https://arxiv.org/abs/1708.02002):
///     FL = -α_t (1 - p_t)^γ log p_t,
/// where p_t is the probability of the true class and α_t is α for foreground, 1 - α for background.
#pragma once

#include <pam/losses/loss_target.hpp>

namespace pam {

struct FocalOptions : LossOptions {
  double gamma = 2;     ///< >= 0; 0 is (weighted) cross-entropy
  double alpha = 0.25;  ///< in [0, 1]; weight of the foreground, the background has 1 - alpha; negative: no weights
};

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar >= 0, the mean over all pixels
/// that are not ignored. Throws as `make_target` does, on gamma < 0 and on alpha > 1.
torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& labels, const FocalOptions& options = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/focal_loss-inl.hpp>
#endif
