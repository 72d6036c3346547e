// SPDX-License-Identifier: MIT
/// The definitions of depthwise_step.hpp.
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/depthwise_step.hpp>
#include <pam/kernels/detail/cuda/depthwise.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/instance_norm.hpp>

namespace pam::kernels {

namespace detail {

PAM_FUNC bool is_step_of(const torch::Tensor& x, const DepthwiseStep& step) {
  return step.conv.defined() && step.conv.dim() == 4 && step.conv.numel() == 9 * x.size(1) &&
         step.conv.size(0) == x.size(1) && step.conv.size(2) == 3 && step.conv.device() == x.device() &&
         step.conv.is_floating_point() && cpu::rows_of(x, step.weight, step.bias);
}

/// Where either tensor is channels-last, oneDNN's gradient of the weights of a dilated convolution in bfloat16 is wrong
/// or reads beyond its memory (LibTorch 1.13 to 2.15 on AVX-512), so a training step on a CPU gives it planes.
PAM_FUNC torch::Tensor depthwise_conv(const torch::Tensor& x, const torch::Tensor& conv, std::int64_t stride,
                                      std::int64_t dilation) {
  const auto convolved = [&](const torch::Tensor& in, const torch::Tensor& weights) {
    return torch::conv2d(in, weights, {}, stride, /*padding=*/dilation, dilation, /*groups=*/x.size(1));
  };
  const bool narrow = x.scalar_type() == torch::kBFloat16 || autocast_enabled(torch::kCPU);
  if (dilation == 1 || !narrow || !x.device().is_cpu() || !wants_graph(x, conv)) return convolved(x, conv);
  // Weights of one input channel are contiguous in either layout, and LibTorch goes by their strides: a view has new
  // ones.
  return convolved(x.contiguous(), conv.flatten(1).view(conv.sizes())).contiguous(layout_of(x));
}

/// Saves x and the convolution's output; the backward pass has kernels of its own for either step.
struct DepthwiseStepOnGpu {
  using Tensor = torch::Tensor;

  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const DepthwiseStep& step,
                        std::int64_t stride, std::int64_t dilation, double eps) {
    const auto out = cuda::depthwise_norm(*cuda::launcher_of(x), x, step.conv, step.weight, step.bias, stride, dilation,
                                          eps, /*keep=*/true);
    ctx->save_for_backward({x, step.conv, step.weight, step.bias, out.conv, out.table});
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["dilation"] = dilation;
    ctx->saved_data["eps"] = eps;
    return out.output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto s = ctx->get_saved_variables();
    const auto stride = ctx->saved_data["stride"].toInt(), dilation = ctx->saved_data["dilation"].toInt();
    if (torch::GradMode::is_enabled()) {
      const auto eps = ctx->saved_data["eps"].toDouble();
      return differentiable_gradients(
          [&](const auto& v) {
            return reference::depthwise_step(v[0], {v[1], v[2], v[3]}, stride, dilation, eps);
          },
          {s[0], s[1], s[2], s[3]}, grads[0]);
    }
    auto& device = *cuda::launcher_of(s[0]);
    const auto up = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
    const auto norm = cuda::instance_norm_relu_backward(device, s[4], {}, false, s[5], up);
    const auto [dx, dconv] = cuda::depthwise_backward(device, s[0], s[1], stride, dilation, norm.x);
    return {dx, dconv.to(s[1].scalar_type()), norm.weight.to(s[2].scalar_type()), norm.bias.to(s[3].scalar_type())};
  }
};

/// Autocast would convert a float32 x before the convolution; then LibTorch's takes it.
PAM_FUNC bool takes_depthwise(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t stride,
                              std::int64_t dilation, Backend backend) {
  return fused(backend, x, step.conv, step.weight, step.bias) && cuda::launcher_of(x) != nullptr &&
         is_channels_last(x) && (stride == 1 || stride == 2) && dilation >= 1 && is_step_of(x, step) &&
         (x.element_size() == 2 || !autocast_enabled(x.device().type()));
}

}  // namespace detail

PAM_FUNC torch::Tensor reference::depthwise_step(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t stride,
                                                 std::int64_t dilation, double eps) {
  return instance_norm_relu(detail::depthwise_conv(x, step.conv, stride, dilation), step.weight, step.bias, eps);
}

PAM_FUNC torch::Tensor depthwise_step(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t stride,
                                      std::int64_t dilation, double eps, Backend backend) {
  if (detail::takes_depthwise(x, step, stride, dilation, backend)) {
    if (detail::wants_graph(x, step.conv, step.weight, step.bias)) {
      return detail::apply_kernel(
          {x, step.conv, step.weight, step.bias},
          [&](auto* ctx) { return detail::DepthwiseStepOnGpu::forward(ctx, x, step, stride, dilation, eps); },
          detail::DepthwiseStepOnGpu::backward);
    }
    return cuda::depthwise_norm(*cuda::launcher_of(x), x, step.conv, step.weight, step.bias, stride, dilation, eps,
                                /*keep=*/false)
        .output;
  }
  return instance_norm_relu(detail::depthwise_conv(x, step.conv, stride, dilation), step.weight, step.bias, eps,
                            backend);
}

}  // namespace pam::kernels
