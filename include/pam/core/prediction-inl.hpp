// SPDX-License-Identifier: MIT
/// The definitions of prediction.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/prediction.hpp>

namespace pam {

PAM_FUNC torch::Tensor probabilities(const torch::Tensor& logits, bool reversed) {
  check(logits.defined() && logits.dim() == 4 && logits.size(1) > 0,
        "probabilities: logits must be (N, C, H, W) with C > 0, got {}", shape_string(logits));
  if (logits.size(1) == 1) return torch::sigmoid(reversed ? -logits : logits);  // 1 - sigmoid(z) = sigmoid(-z)
  check(!reversed, "probabilities: reversed labels are binary, got {} classes", logits.size(1));
  return torch::softmax(logits, 1);
}

PAM_FUNC torch::Tensor labels_of(const torch::Tensor& probabilities, double threshold) {
  if (probabilities.size(1) == 1) return (probabilities.select(1, 0) > threshold).to(torch::kLong);
  return probabilities.argmax(1);
}

}  // namespace pam
