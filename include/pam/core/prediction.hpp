// SPDX-License-Identifier: MIT
/// From logits to probabilities and labels, with reversed labels undone. Only this header handles reversed nets.
#pragma once

#include <pam/core/error.hpp>

namespace pam {

/// logits (N, 1, H, W) -> foreground probability (N, 1, H, W): sigmoid, or 1 - sigmoid where the net learnt reversed
/// labels (section 3.3: "prediction is p < 0.5"). logits (N, C >= 2, H, W) -> softmax over C.
inline torch::Tensor probabilities(const torch::Tensor& logits, bool reversed) {
  check(logits.defined() && logits.dim() == 4 && logits.size(1) > 0,
        "probabilities: logits must be (N, C, H, W) with C > 0, got {}", shape_string(logits));
  if (logits.size(1) == 1) return torch::sigmoid(reversed ? -logits : logits);  // 1 - sigmoid(z) = sigmoid(-z)
  check(!reversed, "probabilities: reversed labels are binary, got {} classes", logits.size(1));
  return torch::softmax(logits, 1);
}

/// probabilities (N, C, H, W) -> labels (N, H, W) int64: 1 where a single channel exceeds `threshold`, else the most
/// probable class.
inline torch::Tensor labels_of(const torch::Tensor& probabilities, double threshold = 0.5) {
  if (probabilities.size(1) == 1) return (probabilities.select(1, 0) > threshold).to(torch::kLong);
  return probabilities.argmax(1);
}

}  // namespace pam
