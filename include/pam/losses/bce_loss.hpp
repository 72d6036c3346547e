// SPDX-License-Identifier: MIT
/// Cross-entropy from logits: binary for one channel, over the softmax for more. The mean over all pixels that are not
/// ignored.
#pragma once

#include <pam/losses/detail/loss_target.hpp>

namespace pam {

struct BceOptions : LossOptions {};

/// logits (N, 1, H, W) or (N, C, H, W), labels (N, H, W) or like the logits -> scalar >= 0.
/// Stable for logits of any size: max(z, 0) - z·t + log(1 + exp(-|z|)), and log-softmax. 0 where every pixel is
/// ignored. Throws as `make_target` does.
inline torch::Tensor bce_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                              const BceOptions& options = {}) {
  namespace F = torch::nn::functional;
  const auto target = make_target(logits, labels, options, "bce_loss");
  const auto z = detail::widened(target.masked(logits));
  const auto terms = logits.size(1) == 1
                         ? F::binary_cross_entropy_with_logits(
                               z, target.target, F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kNone))
                         : -target.target * torch::log_softmax(z, 1);
  return detail::pixel_mean(target.masked(terms).sum(), target, options);
}

}  // namespace pam
