// SPDX-License-Identifier: MIT
/// Definitions of inverted_bottleneck.hpp (core/config.hpp).
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/detail/cpu/inverted_bottleneck.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/detail/packed_step.hpp>
#include <pam/kernels/inverted_bottleneck.hpp>
#include <pam/kernels/pointwise.hpp>

namespace pam::kernels {

namespace detail {

PAM_FUNC bool is_pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t inputs) {
  return cpu::alike(x, weight) && weight.dim() == 4 && weight.size(1) == inputs && weight.numel() > 0 &&
         weight.size(2) == 1 && weight.size(3) == 1;
}

/// Whether one CPU kernel can compute all of it.
PAM_FUNC bool takes_bottleneck(const torch::Tensor& x, const InvertedBottleneck& w, Backend backend) {
  const auto &a = w.first, &b = w.second;
  if (!fused(backend, x, w.expand, a.conv, a.weight, a.bias, b.conv, b.weight, b.bias, w.project) ||
      wants_graph(x, w.expand, a.conv, a.weight, a.bias, b.conv, b.weight, b.bias, w.project) ||
      !x.device().is_cpu() || x.scalar_type() != torch::kFloat || !is_channels_last(x) ||
      autocast_enabled(torch::kCPU) || w.stride < 1 || w.dilation < 1 || !is_pointwise(x, w.expand, x.size(1)) ||
      !is_pointwise(x, w.project, w.expand.size(0))) {
    return false;
  }
#ifdef PAM_WITH_CUDA
  if (cuda::launcher_of(x) != nullptr) return false;
#endif
  const auto expanded = w.expand.transpose(0, 1);  // has the expanded channels where x would have them
  // One pixel: a norm of it must throw.
  return is_step_of(expanded, a) && is_step_of(expanded, b) && std::max(x.size(2), x.size(3)) > w.stride;
}

}  // namespace detail

PAM_FUNC torch::Tensor reference::inverted_bottleneck(const torch::Tensor& x, const InvertedBottleneck& w,
                                                      double eps) {
  const auto expanded = reference::pointwise(x, w.expand, w.stride);
  return torch::conv2d(reference::dilated_branch(expanded, w.first, w.second, w.dilation, eps), w.project);
}

PAM_FUNC torch::Tensor inverted_bottleneck(const torch::Tensor& x, const InvertedBottleneck& w, double eps,
                                           Backend backend) {
  if (detail::takes_bottleneck(x, w, backend)) {
    const detail::PackedStep one(w.first.conv, w.first.weight, w.first.bias),
        two(w.second.conv, w.second.weight, w.second.bias);
    const auto matrix = [](const torch::Tensor& t) { return t.detach().flatten(1).contiguous(); };
    return cpu::inverted_bottleneck(x.detach(), matrix(w.expand), w.stride, detail::branch_weights(one, two),
                                    matrix(w.project), w.dilation, eps);
  }
  const bool planes = wants_planes(x, backend);
  const auto expanded = planes ? pointwise_to(x, w.expand, w.stride, at::MemoryFormat::Contiguous)
                               : pointwise(x, w.expand, w.stride);
  const auto z = dilated_branch(expanded, w.first, w.second, w.dilation, eps, backend);
  return planes ? pointwise_to(z, w.project, 1, at::MemoryFormat::ChannelsLast) : torch::conv2d(z, w.project);
}

}  // namespace pam::kernels
