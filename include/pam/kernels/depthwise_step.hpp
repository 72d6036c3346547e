// SPDX-License-Identifier: MIT
/// One D of the paper's attention branches (FPA's D, RFNA's D2 and D3): a depth-wise 3x3 convolution, instance norm and
/// ReLU. On a GPU, channels-last, it is one kernel: a block computes the convolution of some channels of a sample into
/// its shared memory and normalises it there.
#pragma once

#include <pam/kernels/backend.hpp>

namespace pam::kernels {

/// The weights of one D: a depth-wise convolution (C, 1, 3, 3) and the norm's weight and bias (C).
struct DepthwiseStep {
  torch::Tensor conv, weight, bias;
};

namespace reference {

/// relu(norm(conv(x))): padding = dilation, one group per channel, no bias of the convolution.
torch::Tensor depthwise_step(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t stride,
                             std::int64_t dilation, double eps);

}  // namespace reference

/// Shapes: x (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride)).
torch::Tensor depthwise_step(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t stride,
                             std::int64_t dilation, double eps, Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/depthwise_step-inl.hpp>
#endif
