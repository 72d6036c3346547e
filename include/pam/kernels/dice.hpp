// SPDX-License-Identifier: MIT
/// Sigmoid and the sums of the soft Dice loss in one pass.
#pragma once

#include <pam/kernels/backend.hpp>

namespace pam::kernels {

namespace reference {

/// [sum(p * t), sum(p), sum(t)] with p = sigmoid(logits), as one tensor of three float32 (float64 for float64 logits).
inline torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target) {
  const auto wide = logits.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  const auto p = torch::sigmoid(logits.to(wide));
  const auto t = target.to(wide);
  return torch::stack({(p * t).sum(), p.sum(), t.sum()});
}

}  // namespace reference

/// Shapes: logits and target of one shape, target in [0, 1] -> (3).
inline torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target, Backend backend) {
  (void)backend;
  return reference::dice_sums(logits, target);
}

}  // namespace pam::kernels
