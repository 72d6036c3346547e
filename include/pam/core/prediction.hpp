// SPDX-License-Identifier: MIT
/// From logits to probabilities and labels, with reversed labels undone. Predictions of reversed nets are undone only here.
#pragma once

#include <pam/core/error.hpp>

namespace pam {

/// logits (N, 1, H, W) -> foreground probability (N, 1, H, W): sigmoid, or 1 - sigmoid where the net learnt reversed
/// labels (section 3.3: "prediction is p < 0.5"). logits (N, C >= 2, H, W) -> softmax over C.
torch::Tensor probabilities(const torch::Tensor& logits, bool reversed);

/// probabilities (N, C, H, W) -> labels (N, H, W) int64: 1 where a single channel exceeds `threshold`, else the most
/// probable class.
torch::Tensor labels_of(const torch::Tensor& probabilities, double threshold = 0.5);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/core/prediction-inl.hpp>
#endif
