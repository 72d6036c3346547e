// SPDX-License-Identifier: MIT
/// Which of the two memory layouts a tensor has, and conversion of a module's convolution weights to the other: a
/// channels-last net takes channels-last inputs without a copy.
#pragma once

#include <pam/core/torch.hpp>

#include <vector>

namespace pam {

/// True if channels vary fastest in `x`, and `x` is not also contiguous (as a tensor of one channel or one pixel is).
inline bool is_channels_last(const torch::Tensor& x) {
  return !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

/// at::MemoryFormat::ChannelsLast or Contiguous.
inline at::MemoryFormat layout_of(const torch::Tensor& x) {
  return is_channels_last(x) ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

namespace detail {

/// `x` with exactly the strides of `format`. `contiguous` leaves a weight with one input channel, (O, 1, 3, 3), as it
/// is, since both layouts have its elements at the same places; but LibTorch chooses a
/// convolution's layout by the strides, and for an image of one channel the input's strides do not decide it.
inline torch::Tensor with_strides_of(const torch::Tensor& x, at::MemoryFormat format) {
  const auto c = x.size(1), h = x.size(2), w = x.size(3);
  const std::vector<std::int64_t> pixels{c * h * w, 1, c * w, c}, planes{c * h * w, h * w, w, 1};
  const auto& wanted = format == at::MemoryFormat::ChannelsLast ? pixels : planes;
  auto y = x.contiguous(format);
  // A copy, not as_strided: optimizers detach gradients in place, which views do not allow.
  return y.strides() == at::IntArrayRef(wanted) ? y : torch::empty_strided(y.sizes(), wanted, y.options()).copy_(y);
}

inline void set_memory_format(torch::Tensor& parameter, at::MemoryFormat format) {
  if (parameter.dim() != 4) return;
  torch::NoGradGuard no_grad;
  parameter.set_data(with_strides_of(parameter.detach(), format));
  if (parameter.grad().defined()) parameter.mutable_grad() = with_strides_of(parameter.grad(), format);
}

}  // namespace detail

/// Lays out every 4-D parameter of `module`, and its gradient where it has one, in `format`
/// (at::MemoryFormat::Contiguous or ChannelsLast). The values and the parameter objects stay the same: optimizers that
/// hold them stay valid, and the state they create afterwards has the new layout. The caller converts the inputs:
/// `images.contiguous(format)`.
inline void to_memory_format(torch::nn::Module& module, at::MemoryFormat format) {
  for (auto& parameter : module.parameters()) detail::set_memory_format(parameter, format);
}

}  // namespace pam
