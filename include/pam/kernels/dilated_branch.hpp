// SPDX-License-Identifier: MIT
/// FPA's depth-wise branch D(D(x)): two dilated 3x3 convolutions with their instance norms and ReLUs. None of these mixes
/// channels, so a fused kernel carries one (sample, channel) plane through all of it (design.md section 5, plane fusion).
#pragma once

#include <pam/kernels/instance_norm.hpp>

namespace pam::kernels {

/// The weights of one D: a depth-wise convolution (C, 1, 3, 3) and the norm's weight and bias (C).
struct DepthwiseStep {
  torch::Tensor conv, weight, bias;
};

namespace reference {

/// relu(norm(conv(x))): stride 1, padding = dilation, one group per channel.
inline torch::Tensor depthwise_step(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t dilation,
                                    double eps) {
  const auto y = torch::conv2d(x, step.conv, {}, /*stride=*/1, /*padding=*/dilation, dilation, /*groups=*/x.size(1));
  return instance_norm_relu(y, step.weight, step.bias, eps);
}

inline torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                    std::int64_t dilation, double eps) {
  return depthwise_step(depthwise_step(x, first, dilation, eps), second, dilation, eps);
}

}  // namespace reference

/// Shapes: x (N, C, H, W) -> (N, C, H, W). `first` and `second` may be the same weights (FPA's table5 preset).
inline torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                    std::int64_t dilation, double eps, Backend backend) {
  (void)backend;
  return reference::dilated_branch(x, first, second, dilation, eps);
}

}  // namespace pam::kernels
