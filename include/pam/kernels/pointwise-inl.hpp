// SPDX-License-Identifier: MIT
/// The definitions of pointwise.hpp.
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/detail/cuda/instance_norm.hpp>
#include <pam/kernels/detail/readable.hpp>
#include <pam/kernels/pointwise.hpp>

#include <cstring>

namespace pam::kernels {

namespace reference {

PAM_FUNC torch::Tensor pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride) {
  return torch::conv2d(x, weight, {}, stride);
}

}  // namespace reference

namespace detail {

/// Every `stride`-th row and column: the pixels that a strided 1x1 convolution reads.
PAM_FUNC torch::Tensor every(const torch::Tensor& x, std::int64_t stride) {
  return stride == 1 ? x : x.slice(2, 0, x.size(2), stride).slice(3, 0, x.size(3), stride);
}

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

/// The pixels that a strided 1x1 convolution reads, dense in x's layout.
PAM_FUNC torch::Tensor read_pixels(const torch::Tensor& x, std::int64_t stride) {
  const auto input = dense(x);
  const auto layout = layout_of(input);
  if (stride == 1 || !on_cpu(input) || layout != at::MemoryFormat::ChannelsLast) {
    return every(input, stride).contiguous(layout);
  }
  // A pixel is contiguous memory: LibTorch's copy of the strided view takes several times as long.
  const auto n = input.size(0), c = input.size(1), in_h = input.size(2), in_w = input.size(3);
  const auto h = (in_h + stride - 1) / stride, w = (in_w + stride - 1) / stride;
  auto pixels = torch::empty({n, c, h, w}, input.options().memory_format(layout));
  const auto bytes = static_cast<std::size_t>(c) * input.itemsize();
  const auto* from = static_cast<const char*>(input.data_ptr());
  auto* to = static_cast<char*>(pixels.data_ptr());
  cpu::parallel(n * h, w * c, [=](std::int64_t first, std::int64_t last) {
    for (auto row = first; row < last; ++row) {
      const auto* line = from + static_cast<std::size_t>((row / h * in_h + row % h * stride) * in_w) * bytes;
      for (std::int64_t column = 0; column < w; ++column) {
        std::memcpy(to + static_cast<std::size_t>(row * w + column) * bytes,
                    line + static_cast<std::size_t>(column * stride) * bytes, bytes);
      }
    }
  });
  return pixels;
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
  constexpr std::int64_t oneDnnBlock = 16;
  const auto pixels = [](const torch::Tensor& t) {
    return !t.is_contiguous() || t.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  };
  if (stride > 1 && x.device().is_cpu() && x.size(1) < oneDnnBlock && x.numel() > 0 && (pixels(x) || pixels(weight)) &&
      !detail::has_tangent(x, weight)) {
    return detail::pointwise_graph(x, weight, stride, is_channels_last(x));
  }
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
