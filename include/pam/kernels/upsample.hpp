// SPDX-License-Identifier: MIT
/// Bilinear upsampling (align_corners) with what follows it: the concatenation with a skip, and RFNA's gate.
#pragma once

#include <pam/kernels/backend.hpp>
#include <pam/kernels/gate.hpp>

namespace pam::kernels {

/// x (N, C, h, w) resized to `size`: bilinear, align_corners=true, as everywhere in the paper's networks.
inline torch::Tensor upsample(const torch::Tensor& x, at::IntArrayRef size) {
  return x.sizes().slice(2) == size ? x : at::upsample_bilinear2d(x, size, /*align_corners=*/true);
}

namespace reference {

/// [upsample(x), skip] along the channels.
inline torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip) {
  return torch::cat({upsample(x, skip.sizes().slice(2)), skip}, 1);
}

/// A = sigmoid(upsample(logits) + shortcut), F * A (+ F).
inline torch::Tensor upsample_gate(const torch::Tensor& features, const torch::Tensor& logits,
                                   const torch::Tensor& shortcut, bool identity) {
  return gate(features, upsample(logits, features.sizes().slice(2)) + shortcut, identity);
}

}  // namespace reference

/// Shapes: x (N, C, h, w), skip (N, S, H, W) -> (N, C + S, H, W).
inline torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip, Backend backend) {
  (void)backend;
  return reference::upsample_concat(x, skip);
}

/// Shapes: features and shortcut (N, C, H, W), logits (N, C, h, w) -> (N, C, H, W).
inline torch::Tensor upsample_gate(const torch::Tensor& features, const torch::Tensor& logits,
                                   const torch::Tensor& shortcut, bool identity, Backend backend) {
  (void)backend;
  return reference::upsample_gate(features, logits, shortcut, identity);
}

}  // namespace pam::kernels
