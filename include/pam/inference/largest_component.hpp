// SPDX-License-Identifier: MIT
/// `largest_component`: of each class, the one connected part that is largest.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

namespace pam {

/// labels (D, H, W), integers -> the same with everything set to 0 but, of each class above 0, its largest part whose
/// voxels touch by a face, an edge or a corner. Of equally large parts the first in memory order stays. Values below 0
/// (ignored) stay. Linear in the number of voxels.
[[nodiscard]] torch::Tensor largest_component(const torch::Tensor& labels);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/largest_component-inl.hpp>
#endif
