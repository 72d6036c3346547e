// SPDX-License-Identifier: MIT
/// Instance normalisation (affine, no running statistics) with what follows it: ReLU, and the attention gate.
#pragma once

#include <pam/kernels/backend.hpp>
#include <pam/kernels/gate.hpp>

namespace pam::kernels {

namespace reference {

/// relu((x - mean) / sqrt(var + eps) * weight + bias), mean and biased variance over each (sample, channel) plane.
inline torch::Tensor instance_norm_relu(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                        double eps) {
  if (x.numel() == 0) return x.relu();  // LibTorch's instance norm refuses a batch of zero samples
  return torch::relu(torch::instance_norm(x, weight, bias, {}, {}, /*use_input_stats=*/true, /*momentum=*/0.1, eps,
                                          /*cudnn_enabled=*/true));
}

/// The main branch's last norm, ReLU and the gate: F = relu(norm(x)), F * sigmoid(logits) (+ F).
inline torch::Tensor instance_norm_relu_gate(const torch::Tensor& x, const torch::Tensor& weight,
                                             const torch::Tensor& bias, double eps, const torch::Tensor& logits,
                                             bool identity) {
  return gate(instance_norm_relu(x, weight, bias, eps), logits, identity);
}

}  // namespace reference

/// Shapes: x (N, C, H, W), weight and bias (C) -> (N, C, H, W).
inline torch::Tensor instance_norm_relu(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                        double eps, Backend backend) {
  (void)backend;
  return reference::instance_norm_relu(x, weight, bias, eps);
}

/// Shapes: x and logits (N, C, H, W), weight and bias (C) -> (N, C, H, W).
inline torch::Tensor instance_norm_relu_gate(const torch::Tensor& x, const torch::Tensor& weight,
                                             const torch::Tensor& bias, double eps, const torch::Tensor& logits,
                                             bool identity, Backend backend) {
  (void)backend;
  return reference::instance_norm_relu_gate(x, weight, bias, eps, logits, identity);
}

}  // namespace pam::kernels
