// SPDX-License-Identifier: MIT
/// `largest_component`: keeps only the largest connected part of each class.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

namespace pam {

/// labels (D, H, W), integers -> the same with each class above 0 reduced to its largest part, whose voxels touch by
/// a face, an edge or a corner; everything else becomes 0. Of equally large parts the first in memory order stays.
/// Values below 0 (ignored) stay. Linear in the number of voxels.
[[nodiscard]] torch::Tensor largest_component(const torch::Tensor& labels);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/largest_component-inl.hpp>
#endif
