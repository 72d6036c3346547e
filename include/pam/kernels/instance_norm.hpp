// SPDX-License-Identifier: MIT
/// Instance normalisation (affine, no running statistics) fused with what follows it: ReLU, and the attention gate.
#pragma once

#include <pam/kernels/backend.hpp>

namespace pam::kernels {

namespace reference {

/// relu((x - mean) / sqrt(var + eps) * weight + bias), mean and biased variance over each (sample, channel) plane.
torch::Tensor instance_norm_relu(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                 double eps);

/// The main branch's last norm, ReLU and the gate: F = relu(norm(x)), F * sigmoid(logits) (+ F).
torch::Tensor instance_norm_relu_gate(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                      double eps, const torch::Tensor& logits, bool identity);

}  // namespace reference

/// Shapes: x (N, C, H, W), weight and bias (C) -> (N, C, H, W).
torch::Tensor instance_norm_relu(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                 double eps, Backend backend);

/// The same for an `x` that is moved in: without gradients the result is written into its memory, which saves traffic.
torch::Tensor instance_norm_relu(torch::Tensor&& x, const torch::Tensor& weight, const torch::Tensor& bias, double eps,
                                 Backend backend);

/// Shapes: x and logits (N, C, H, W), weight and bias (C) -> (N, C, H, W).
torch::Tensor instance_norm_relu_gate(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                      double eps, const torch::Tensor& logits, bool identity, Backend backend);

/// The same for an `x` that is moved in, as above.
torch::Tensor instance_norm_relu_gate(torch::Tensor&& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                      double eps, const torch::Tensor& logits, bool identity, Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/instance_norm-inl.hpp>
#endif
