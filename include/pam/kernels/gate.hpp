// SPDX-License-Identifier: MIT
/// The gate of the paper's equations 1 and 2: Y = F * A + F, A = sigmoid(logits).
#pragma once

#include <pam/kernels/backend.hpp>

namespace pam::kernels::reference {

/// F * sigmoid(logits) + F, or F * sigmoid(logits) without `identity`. `logits` broadcasts to F.
inline torch::Tensor gate(const torch::Tensor& features, const torch::Tensor& logits, bool identity) {
  const auto gated = features * torch::sigmoid(logits);
  return identity ? gated + features : gated;
}

}  // namespace pam::kernels::reference
