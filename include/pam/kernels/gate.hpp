// SPDX-License-Identifier: MIT
/// The gate of the paper's equations 1 and 2: Y = F * A + F, A = sigmoid(logits).
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

namespace pam::kernels::reference {

/// F * sigmoid(logits) + F, or F * sigmoid(logits) without `identity`. `logits` broadcasts to F.
torch::Tensor gate(const torch::Tensor& features, const torch::Tensor& logits, bool identity);

}  // namespace pam::kernels::reference

#ifndef PAM_COMPILED
#include <pam/kernels/gate-inl.hpp>
#endif
