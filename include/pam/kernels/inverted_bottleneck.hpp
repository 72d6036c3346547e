// SPDX-License-Identifier: MIT
/// FPA's whole attention branch P(D(D(E(x)))): an inverted bottleneck (Sandler, Howard, Zhu, Zhmoginov, Chen,
/// "MobileNetV2", CVPR 2018) with two depth-wise convolutions in the middle. On a CPU, for float32 channels-last
/// tensors, one kernel computes all of it a few channels at a time, and another its gradients: the expanded channels,
/// several times as many as go in and come out, hardly go through memory. A graph keeps x and E(x).
#pragma once

#include <pam/kernels/dilated_branch.hpp>

namespace pam::kernels {

/// E expands C channels to M, P projects them to K. `first` and `second` may be the same weights.
struct InvertedBottleneck {
  torch::Tensor expand;         ///< E: (M, C, 1, 1)
  std::int64_t stride;          ///< of E
  DepthwiseStep first, second;  ///< D: of M channels
  std::int64_t dilation;        ///< of D
  torch::Tensor project;        ///< P: (K, M, 1, 1)
};

namespace reference {

torch::Tensor inverted_bottleneck(const torch::Tensor& x, const InvertedBottleneck& weights, double eps);

}  // namespace reference

/// x (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)), in x's layout. `eps`: of the norms. Other tensors than
/// float32 channels-last ones on a CPU go through three kernels: E, D(D(x)) and P.
torch::Tensor inverted_bottleneck(const torch::Tensor& x, const InvertedBottleneck& weights, double eps,
                                  Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/inverted_bottleneck-inl.hpp>
#endif
