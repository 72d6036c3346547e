// SPDX-License-Identifier: MIT
/// Cross-entropy from logits: binary for one channel, over the softmax for more. The mean over all pixels that are not
/// ignored.
#pragma once

#include <pam/losses/loss_target.hpp>

namespace pam {

struct BceOptions : LossOptions {};

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar >= 0.
/// Stable for logits of any size: max(z, 0) - z·t + log(1 + exp(-|z|)), and log-softmax. 0 where every pixel is
/// ignored. Throws as `make_target` does.
torch::Tensor bce_loss(const torch::Tensor& logits, const torch::Tensor& labels, const BceOptions& options = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/bce_loss-inl.hpp>
#endif
