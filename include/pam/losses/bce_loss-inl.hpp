// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/bce_loss.hpp>

namespace pam {

PAM_FUNC torch::Tensor bce_loss(const torch::Tensor& logits, const torch::Tensor& labels, const BceOptions& options) {
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
