// SPDX-License-Identifier: MIT
/// The definitions of pointwise.hpp.
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/detail/cuda/instance_norm.hpp>
#include <pam/kernels/detail/readable.hpp>
#include <pam/kernels/detail/strided_pixels.hpp>
#include <pam/kernels/pointwise.hpp>

namespace pam::kernels {

namespace reference {

PAM_FUNC torch::Tensor pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride) {
  constexpr std::int64_t oneDnnBlock = 16;
  if (stride > 1 && x.device().is_cpu() && x.size(1) < oneDnnBlock) {
    return torch::conv2d(detail::every(x, stride), weight);
  }
  return torch::conv2d(x, weight, {}, stride);
}

}  // namespace reference

namespace detail {

/// weight (O, C) times each sample's (C, H W), x dense in any layout; the result is laid out as `format` says.
PAM_FUNC torch::Tensor pointwise_product(const torch::Tensor& x, const torch::Tensor& weight, at::MemoryFormat format) {
  const auto n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3), o = weight.size(0);
  const auto columns =
      is_channels_last(x) ? x.permute({0, 2, 3, 1}).view({n, h * w, c}).transpose(1, 2) : x.view({n, c, h * w});
  if (format == at::MemoryFormat::ChannelsLast) {
    return torch::bmm(columns.transpose(1, 2), weight.t().expand({n, c, o})).view({n, h, w, o}).permute({0, 3, 1, 2});
  }
  return torch::bmm(weight.expand({n, o, c}), columns).view({n, o, h, w});
}

/// Products of x's type, whatever autocast is set to; the gradient of x has x's layout.
struct PointwiseTo {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& weight, std::int64_t stride, bool channels_last) {
    const AutocastScope plain(x.device(), torch::kBFloat16, /*enabled=*/false);
    ctx->save_for_backward({x, weight});
    ctx->saved_data["stride"] = stride;
    const auto format = channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    return pointwise_product(read_pixels(x, stride), weight.to(x.scalar_type()).flatten(1), format);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto stride = ctx->saved_data["stride"].toInt();
    if (torch::GradMode::is_enabled()) {
      return differentiable_gradients(
          [&](const auto& v) { return reference::pointwise(v[0], v[1].to(v[0].scalar_type()), stride); }, saved,
          grads[0]);
    }
    const AutocastScope plain(saved[0].device(), torch::kBFloat16, /*enabled=*/false);
    const auto x = read_pixels(saved[0], stride), dy = dense(grads[0]);
    torch::Tensor dx, dw;
    if (saved[0].requires_grad()) {
      const auto layout = layout_of(dense(saved[0]));
      dx = pointwise_product(dy, saved[1].to(x.scalar_type()).flatten(1).t(), layout);
      if (stride > 1) {
        const auto all = torch::empty(saved[0].sizes(), dx.options().memory_format(layout)).zero_();
        every(all, stride).copy_(dx);
        dx = all;
      }
    }
    if (saved[1].requires_grad()) {
      // One product per sample; the sum over the samples is in the weights' type.
      const auto type = saved[1].scalar_type();
      dw = torch::bmm(dy.flatten(2), x.flatten(2).transpose(1, 2)).sum(0, false, type).view(saved[1].sizes());
    }
    return {dx, dw};
  }
};

PAM_FUNC torch::Tensor pointwise_graph(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride,
                                       bool channels_last) {
  return apply_kernel(
      {x, weight}, [&](auto* ctx) { return PointwiseTo::forward(ctx, x, weight, stride, channels_last); },
      PointwiseTo::backward);
}

}  // namespace detail

PAM_FUNC torch::Tensor pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride) {
  return reference::pointwise(x, weight, stride);
}

PAM_FUNC torch::Tensor pointwise(const Activation& x, const torch::Tensor& weight) {
  constexpr std::int64_t few = 4;
  const auto& p = x.parts();
  const auto& norm = p.norm;
  if (norm.weight.defined() && weight.size(0) <= few && weight.numel() > 0 && weight.is_floating_point() &&
      weight.device() == p.x.device() && !detail::wants_graph(weight) && !detail::has_tangent(weight) &&
      weight.sizes() == at::IntArrayRef({weight.size(0), p.x.size(1), 1, 1})) {
    // As LibTorch: of one type, or the narrower one under autocast.
    const bool cast = autocast_enabled(p.x.device().type());
    auto* device = detail::gpu_that_reads(x);
    if (device != nullptr && (cast ? p.x.element_size() == 2 : weight.scalar_type() == p.x.scalar_type())) {
      return cuda::norm_relu_head(*device, p.x, norm.weight, norm.bias, norm.eps, weight);
    }
    if (weight.scalar_type() == torch::kFloat && detail::is_readable(x)) {
      return cpu::norm_relu_pointwise(p.x, p.table, weight.detach().flatten(1).contiguous());
    }
  }
  return pointwise(x.tensor(), weight, 1);
}

PAM_FUNC torch::Tensor pointwise_to(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride,
                                    at::MemoryFormat format) {
  if (x.numel() == 0 || detail::has_tangent(x, weight)) {
    return reference::pointwise(x, weight, stride).contiguous(format);
  }
  return detail::pointwise_graph(x, weight, stride, format == at::MemoryFormat::ChannelsLast);
}

PAM_FUNC bool wants_planes(const torch::Tensor& x, Backend backend) {
  return detail::fused(backend, x) && is_channels_last(x) && cuda::launcher_of(x) != nullptr;
}

}  // namespace pam::kernels
