// SPDX-License-Identifier: MIT
/// A weighted sum of the soft Dice loss and cross-entropy: Dice for the imbalance, cross-entropy for smooth gradients.
#pragma once

#include <pam/losses/bce_loss.hpp>
#include <pam/losses/dice_loss.hpp>

namespace pam {

struct DiceBceOptions : DiceOptions {
  double dice_weight = 1;  ///< >= 0
  double bce_weight = 1;   ///< >= 0
};

/// dice_weight · `dice_loss` + bce_weight · `bce_loss`, shapes and errors as there; throws on a negative weight.
torch::Tensor dice_bce_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                            const DiceBceOptions& options = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/dice_bce_loss-inl.hpp>
#endif
