// SPDX-License-Identifier: MIT
/// The definitions of gate.hpp.
#pragma once

#include <pam/kernels/gate.hpp>

namespace pam::kernels::reference {

PAM_FUNC torch::Tensor gate(const torch::Tensor& features, const torch::Tensor& logits, bool identity) {
  const auto gated = features * torch::sigmoid(logits);
  return identity ? gated + features : gated;
}

}  // namespace pam::kernels::reference
