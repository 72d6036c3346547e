// SPDX-License-Identifier: MIT
/// Activations that a CPU kernel can compute while it reads them: float32 and channels-last, without gradients.
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/kernels/detail/cpu/instance_norm.hpp>
#include <pam/kernels/detail/cpu/winograd_conv.hpp>
#include <pam/kernels/detail/dispatch.hpp>

namespace pam::kernels::detail {

/// Whether a kernel may read x's memory as rows of channels, and nothing but the kernel needs to know.
inline bool is_pixels(const torch::Tensor& x) {
#ifdef PAM_WITH_CUDA
  if (cuda::stand_in() != nullptr) return false;
#endif
  return cpu::takes(x) && x.scalar_type() == torch::kFloat && is_channels_last(x) && !wants_graph(x) &&
         !has_tangent(x) && !autocast_enabled(torch::kCPU);
}

/// Whether `parameters`, of a layer of inference, are rows of `channels` numbers on the CPU.
template <typename... Tensors>
bool are_rows(std::int64_t channels, const Tensors&... parameters) {
  return ((parameters.defined() && parameters.device().is_cpu() && parameters.is_floating_point() &&
           parameters.dim() == 1 && parameters.size(0) == channels && !wants_graph(parameters) &&
           !has_tangent(parameters)) &&
          ...);
}

/// Whether x is a tensor, or a norm and ReLU of one, that can be read so. Of a norm whose statistics are not known yet,
/// they are computed here.
inline bool is_readable(const Activation& x) {
  auto& p = x.parts();
  if (p.table.defined()) return true;
  if (!p.x.defined() || !is_pixels(p.x)) return false;
  if (!p.norm.weight.defined()) return true;
  if (p.backend != Backend::Fused || !are_rows(p.x.size(1), p.norm.weight, p.norm.bias)) return false;
  p.table = cpu::affine_table(cpu::moments_of_pixels(p.x, static_cast<float>(p.norm.eps)),
                              cpu::float_row(p.norm.weight), cpu::float_row(p.norm.bias));
  return true;
}

/// x as a convolution reads it; its `x` is undefined where it cannot.
inline cpu::WinogradInput winograd_input(const Activation& x) {
  const auto& p = x.parts();
  if (p.x.defined()) return is_readable(x) ? cpu::WinogradInput{p.x, p.table, {}, {}} : cpu::WinogradInput{};
  const auto &deep = p.deep.parts(), &skip = p.skip.parts();
  if (p.backend != Backend::Fused || !deep.x.defined() || !skip.x.defined() || !enlarges(deep.x, skip.x) ||
      deep.x.size(1) % cpu::kPanel != 0 || !is_readable(p.deep) || !is_readable(p.skip)) {
    return {};
  }
  return {skip.x, skip.table, deep.x, deep.table};
}

}  // namespace pam::kernels::detail
