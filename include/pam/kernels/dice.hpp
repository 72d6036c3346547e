// SPDX-License-Identifier: MIT
/// Sigmoid and the sums of the soft Dice loss in one pass.
#pragma once

#include <pam/kernels/backend.hpp>

namespace pam::kernels {

namespace reference {

/// [sum(p * t), sum(p), sum(t)] with p = sigmoid(logits), as one tensor of three float32 (float64 for float64 logits).
torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target);

}  // namespace reference

/// Shapes: logits and target of one shape, target in [0, 1] -> (3). A target that needs a gradient takes the reference.
torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target, Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/dice-inl.hpp>
#endif
