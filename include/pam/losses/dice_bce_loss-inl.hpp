// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/dice_bce_loss.hpp>

namespace pam {

PAM_FUNC torch::Tensor dice_bce_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                                     const DiceBceOptions& options) {
  check(options.dice_weight >= 0 && options.bce_weight >= 0,
        "dice_bce_loss: weights must not be negative, got dice_weight {} and bce_weight {}", options.dice_weight,
        options.bce_weight);
  BceOptions bce;
  static_cast<LossOptions&>(bce) = options;
  bce.check_labels = false;  // dice_loss has just checked them
  const auto dice = dice_loss(logits, labels, options);
  return options.dice_weight * dice + options.bce_weight * bce_loss(logits, labels, bce);
}

}  // namespace pam
