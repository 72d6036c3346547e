// SPDX-License-Identifier: MIT
/// Where a fused kernel runs: pam's CPU loops, or pam's CUDA kernels (component cuda); elsewhere the reference is used.
#pragma once

#include <pam/core/memory_format.hpp>
#include <pam/kernels/backend.hpp>
#include <pam/kernels/detail/autograd.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/cuda/device.hpp>

namespace pam::kernels::detail {

/// True if a tensor has a tangent of forward-mode differentiation (at::_make_dual), which no kernel propagates.
template <typename... Tensors>
bool has_tangent(const Tensors&... tensors) {
  return ((tensors.defined() && tensors._fw_grad(/*level=*/0).defined()) || ...);
}

/// True if the fused kernels can take `x` and the other inputs `others`, on which each kernel has further conditions.
template <typename... Others>
bool fused(Backend backend, const torch::Tensor& x, const Others&... others) {
  if (backend != Backend::Fused || has_tangent(x, others...)) return false;
  return x.defined() && (x.is_cuda() || cuda::stand_in() != nullptr) ? cuda::takes(x) : cpu::takes(x);
}

/// True if `x` is on the CPU, and no test has put the CPU in a GPU's place.
inline bool on_cpu(const torch::Tensor& x) { return x.device().is_cpu() && cuda::stand_in() == nullptr; }

/// `x` itself where it is dense in some layout, else a contiguous copy.
inline torch::Tensor dense(const torch::Tensor& x) { return x.contiguous(layout_of(x)); }

/// True if the kernels can resize `small` to `large`: no side may shrink, and the batch sizes must be equal.
inline bool enlarges(const torch::Tensor& small, const torch::Tensor& large) {
  return small.defined() && small.dim() == 4 && small.numel() > 0 && small.size(0) == large.size(0) &&
         small.size(2) <= large.size(2) && small.size(3) <= large.size(3);
}

/// True if nothing else can see `x`'s memory, so that a kernel may write its output there.
inline bool may_overwrite(const torch::Tensor& x) {
  return x.use_count() == 1 && x.storage().use_count() == 1 && !x.requires_grad() &&
         x.contiguous(layout_of(x)).is_same(x);
}

}  // namespace pam::kernels::detail
