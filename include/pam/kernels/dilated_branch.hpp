// SPDX-License-Identifier: MIT
/// FPA's depth-wise branch D(D(x)): two dilated 3x3 convolutions with their instance norms and ReLUs. None of these
/// mixes channels, so a fused kernel computes all of it one (sample, channel) plane at a time (docs/design.md,
/// "Kernels": plane fusion).
#pragma once

#include <pam/kernels/depthwise_step.hpp>

namespace pam::kernels {

namespace reference {

torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                             std::int64_t dilation, double eps);

}  // namespace reference

/// Shapes: x (N, C, H, W) -> (N, C, H, W). `first` and `second` may be the same weights (FPA's table5 preset).
torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                             std::int64_t dilation, double eps, Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/dilated_branch-inl.hpp>
#endif
