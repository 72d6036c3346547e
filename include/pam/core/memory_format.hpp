// SPDX-License-Identifier: MIT
/// A module's convolution weights in another memory format: channels-last nets take channels-last inputs without a copy.
#pragma once

#include <pam/core/torch.hpp>

namespace pam {

namespace detail {

inline void set_memory_format(torch::Tensor& parameter, at::MemoryFormat format) {
  if (parameter.dim() != 4) return;
  torch::NoGradGuard no_grad;
  parameter.set_data(parameter.detach().contiguous(format));
  if (parameter.grad().defined()) parameter.mutable_grad() = parameter.grad().contiguous(format);
}

}  // namespace detail

/// Lays out every 4-D parameter of `module`, and its gradient where it has one, in `format` (at::MemoryFormat::Contiguous
/// or ChannelsLast). Values stay, and so do the parameters as objects: optimizers that hold them stay valid, and what
/// they make afterwards has the new layout. Inputs must be laid out by the caller: `images.contiguous(format)`.
inline void to_memory_format(torch::nn::Module& module, at::MemoryFormat format) {
  for (auto& parameter : module.parameters()) detail::set_memory_format(parameter, format);
}

}  // namespace pam
