// SPDX-License-Identifier: MIT
/// Bilinear upsampling (align_corners) fused with what follows it: the concatenation with a skip, and RFNA's gate.
#pragma once

#include <pam/kernels/backend.hpp>

namespace pam::kernels {

/// x (N, C, h, w) resized to `size`: bilinear, align_corners=true, as everywhere in the paper's networks.
torch::Tensor upsample(const torch::Tensor& x, at::IntArrayRef size);

namespace reference {

/// [upsample(x), skip] along the channels.
torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip);

/// A = sigmoid(upsample(logits) + shortcut), F * A (+ F).
torch::Tensor upsample_gate(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& shortcut,
                            bool identity);

}  // namespace reference

/// Shapes: x (N, C, h, w), skip (N, S, H, W) -> (N, C + S, H, W).
torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip, Backend backend);

/// Shapes: features and shortcut (N, C, H, W), logits (N, C, h, w) -> (N, C, H, W).
torch::Tensor upsample_gate(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& shortcut,
                            bool identity, Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/upsample-inl.hpp>
#endif
