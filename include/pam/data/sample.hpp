// SPDX-License-Identifier: MIT
/// The unit of training data: one 2-D slice or picture with its labels, and a batch of them.
#pragma once

#include <pam/core/torch.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam {

/// The label of pixels that are excluded from training and scoring (void, unlabelled). Losses and metrics skip them.
constexpr std::int64_t kIgnoreLabel = -1;

/// One slice or picture.
struct Sample {
  torch::Tensor image;     ///< (C, H, W) float32
  torch::Tensor labels;    ///< (H, W) int64: 0 = background, 1 … classes, or `kIgnoreLabel`
  std::string case_name;   ///< the patient or picture it belongs to; splits and scores are per case
  std::int64_t slice = 0;  ///< index of the slice in its volume; 0 for a picture
};

/// Samples stacked for one step.
struct Batch {
  torch::Tensor images;                      ///< (N, C, H, W) float32
  torch::Tensor labels;                      ///< (N, H, W) int64, values as in `Sample::labels`
  std::vector<std::string> case_names = {};  ///< N names; empty: the samples have none
  std::vector<std::int64_t> slices = {};     ///< N slice indices; may be empty
  [[nodiscard]] std::int64_t size() const { return images.defined() ? images.size(0) : 0; }
};

}  // namespace pam
