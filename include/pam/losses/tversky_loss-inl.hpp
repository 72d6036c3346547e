// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/tversky_loss.hpp>

namespace pam {

PAM_FUNC torch::Tensor tversky_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                                    const TverskyOptions& options) {
  check(options.alpha >= 0 && options.beta >= 0,
        "tversky_loss: alpha and beta must not be negative, got alpha {} and beta {}", options.alpha, options.beta);
  return detail::overlap_loss(
      logits, labels, options, /*squared=*/false, "tversky_loss", [&](const torch::Tensor& sums) {
        const auto tp = sums[0], fp = sums[1] - tp, fn = sums[2] - tp;
        return 1 - (tp + options.smooth) / (tp + options.alpha * fp + options.beta * fn + options.smooth);
      });
}

}  // namespace pam
