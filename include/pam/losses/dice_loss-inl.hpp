// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/dice_loss.hpp>

namespace pam {

PAM_FUNC torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& labels, const DiceOptions& options) {
  return detail::overlap_loss(logits, labels, options, options.squared_pred, "dice_loss",
                              [&](const torch::Tensor& sums) {
                                const auto both = sums[1] + sums[2];
                                const auto below = options.jaccard ? 2 * (both - sums[0]) : both;
                                return 1 - (2 * sums[0] + options.smooth) / (below + options.smooth);
                              });
}

}  // namespace pam
