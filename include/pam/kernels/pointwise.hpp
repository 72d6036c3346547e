// SPDX-License-Identifier: MIT
/// 1x1 convolutions: with a stride, and between layouts. A 1x1 convolution is one matrix product per sample, and the
/// transposition flags of a matrix product choose the order that it reads and writes: channels-last in and planes out,
/// or the other way round, needs no copy (docs/design.md, "Kernels").
#pragma once

#include <pam/kernels/activation.hpp>

namespace pam::kernels {

namespace reference {

/// x (N, C, H, W), weight (O, C, 1, 1) -> (N, O, ceil(H / stride), ceil(W / stride)), no bias.
torch::Tensor pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride);

}  // namespace reference

/// The convolution in x's own layout. oneDNN (of LibTorch 1.13 and of 2.15, on AVX-512) writes past its buffers in the
/// gradient of a strided 1x1 convolution of fewer than 16 channels-last channels; those convolve the pixels that the
/// stride leaves. Channels-last are, to LibTorch, one channel with strides (HW, 1, W, 1) and planes under channels-last
/// weights too.
torch::Tensor pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride);

/// The same with stride 1 of an activation. To at most 4 channels, a norm and ReLU that are still to be computed are
/// computed with it; then the result is channels-last.
torch::Tensor pointwise(const Activation& x, const torch::Tensor& weight);

/// The convolution with its result in the layout `format`, whatever x's layout: without a copy if the stride is 1; with
/// a larger one the pixels that it reads are copied.
torch::Tensor pointwise_to(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride,
                           at::MemoryFormat format);

/// Whether `dilated_branch` should be given planes although x is channels-last: on a GPU, because a block keeps a plane
/// in shared memory.
bool wants_planes(const torch::Tensor& x, Backend backend);

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/pointwise-inl.hpp>
#endif
