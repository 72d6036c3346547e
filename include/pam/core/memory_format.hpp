// SPDX-License-Identifier: MIT
/// A module's convolution weights in another memory format: channels-last nets take channels-last inputs without a copy.
#pragma once

#include <pam/core/torch.hpp>

namespace pam {

/// Lays out every 4-D parameter of `module`, and its gradient where it has one, in `format` (at::MemoryFormat::Contiguous
/// or ChannelsLast). Values stay, and so do the parameters as objects: optimizers that hold them stay valid, and what
/// they make afterwards has the new layout. Inputs must be laid out by the caller: `images.contiguous(format)`.
inline void to_memory_format(torch::nn::Module& module, at::MemoryFormat format) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() != 4) continue;
    parameter.set_data(parameter.detach().contiguous(format));
    if (parameter.grad().defined()) parameter.mutable_grad() = parameter.grad().contiguous(format);
  }
}

}  // namespace pam
