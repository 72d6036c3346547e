// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/dice_loss.hpp>

namespace pam {

PAM_FUNC torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& labels, const DiceOptions& options) {
  return detail::overlap_loss(logits, labels, options, options.squared_pred, "dice_loss",
                              [&](const torch::Tensor& sums) {
                                const auto s = sums.unbind();
                                const auto both = s[1] + s[2];
                                const auto below = options.jaccard ? 2 * (both - s[0]) : both;
                                return 1 - (2 * s[0] + options.smooth) / (below + options.smooth);
                              });
}

}  // namespace pam
