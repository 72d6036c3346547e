// SPDX-License-Identifier: MIT
/// Activations that a kernel can compute while it reads them: channels-last, without gradients, on a CPU float32.
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/kernels/detail/cpu/instance_norm.hpp>
#include <pam/kernels/detail/cpu/winograd_conv.hpp>
#include <pam/kernels/detail/dispatch.hpp>

namespace pam::kernels::detail {

/// Whether a kernel may read x's memory as rows of channels, and nothing but the kernel needs to know.
inline bool is_pixels(const torch::Tensor& x) {
  return on_cpu(x) && cpu::takes(x) && x.scalar_type() == torch::kFloat && is_channels_last(x) && !wants_graph(x) &&
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

/// The GPU whose kernels can compute x's norm and ReLU while they read x; null where x has none or is none of theirs.
inline cuda::Launcher* gpu_that_reads(const Activation& x) {
  constexpr std::int64_t most_channels = 2048;  // six numbers of each in a block's shared memory
  const auto& p = x.parts();
  const auto &weight = p.norm.weight, &bias = p.norm.bias;
  if (!weight.defined() || !fused(p.backend, p.x, weight, bias) || !cpu::rows_of(p.x, weight, bias) ||
      wants_graph(p.x, weight, bias) || !is_channels_last(p.x) || p.x.size(1) > most_channels) {
    return nullptr;
  }
  return cuda::launcher_of(p.x);
}

}  // namespace pam::kernels::detail
