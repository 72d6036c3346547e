// SPDX-License-Identifier: MIT
/// Definitions of inverted_bottleneck.hpp (core/config.hpp).
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/kernels/detail/cpu/inverted_bottleneck.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/detail/packed_step.hpp>
#include <pam/kernels/detail/strided_pixels.hpp>
#include <pam/kernels/inverted_bottleneck.hpp>
#include <pam/kernels/pointwise.hpp>

namespace pam::kernels {

namespace detail {

PAM_FUNC bool is_pointwise(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t inputs) {
  return cpu::alike(x, weight) && weight.dim() == 4 && weight.size(1) == inputs && weight.numel() > 0 &&
         weight.size(2) == 1 && weight.size(3) == 1;
}

/// Whether the CPU kernels of the whole bottleneck take it.
PAM_FUNC bool takes_bottleneck(const torch::Tensor& x, const InvertedBottleneck& w, Backend backend) {
  const auto &a = w.first, &b = w.second;
  if (!fused(backend, x, w.expand, a.conv, a.weight, a.bias, b.conv, b.weight, b.bias, w.project) || !on_cpu(x) ||
      x.scalar_type() != torch::kFloat || !is_channels_last(x) || autocast_enabled(torch::kCPU) || w.stride < 1 ||
      w.dilation < 1 || !is_pointwise(x, w.expand, x.size(1)) || !is_pointwise(x, w.project, w.expand.size(0))) {
    return false;
  }
  const auto expanded = w.expand.transpose(0, 1);  // has the expanded channels where x would have them
  // One pixel: a norm of it must throw.
  return is_step_of(expanded, a) && is_step_of(expanded, b) && std::max(x.size(2), x.size(3)) > w.stride;
}

PAM_FUNC torch::Tensor norm_row(const DepthwiseStep& step) { return torch::stack({step.weight, step.bias}, 1); }

/// Its weights as KernelFunction has room for them: the norms' weight and bias are the columns of one matrix.
PAM_FUNC InvertedBottleneck bottleneck_of(const torch::autograd::variable_list& v, std::int64_t stride,
                                          std::int64_t dilation) {
  const auto step = [](const torch::Tensor& conv, const torch::Tensor& norm) {
    return DepthwiseStep{conv, norm.select(1, 0), norm.select(1, 1)};
  };
  return {v[1], stride, step(v[2], v[3]), step(v[4], v[5]), dilation, v[6]};
}

/// The weights as the kernels read them.
struct PackedBottleneck {
  explicit PackedBottleneck(const InvertedBottleneck& w)
      : first(w.first.conv, w.first.weight, w.first.bias),
        second(w.second.conv, w.second.weight, w.second.bias),
        weights{matrix(w.expand), matrix(w.project), branch_weights(first, second), w.stride, w.dilation} {}
  static torch::Tensor matrix(const torch::Tensor& t) { return t.detach().flatten(1).contiguous(); }

  PackedStep first, second;
  cpu::BottleneckWeights weights;
};

/// Saves x, E(x) and four numbers per plane; the backward pass recomputes the rest in the cache.
struct Bottleneck {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::autograd::variable_list& inputs,
                               std::int64_t stride, std::int64_t dilation, double eps) {
    const PackedBottleneck packed(bottleneck_of(inputs, stride, dilation));
    auto result = cpu::inverted_bottleneck(inputs[0].detach(), packed.weights, eps, /*training=*/true);
    auto saved = inputs;
    saved.push_back(result.expanded), saved.push_back(result.moments);
    ctx->save_for_backward(saved);
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["dilation"] = dilation;
    ctx->saved_data["eps"] = eps;
    return result.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const torch::autograd::variable_list inputs(saved.begin(), saved.begin() + 7);
    const auto stride = ctx->saved_data["stride"].toInt(), dilation = ctx->saved_data["dilation"].toInt();
    if (torch::GradMode::is_enabled()) {
      const auto eps = ctx->saved_data["eps"].toDouble();
      return differentiable_gradients(
          [&](const auto& v) { return reference::inverted_bottleneck(v[0], bottleneck_of(v, stride, dilation), eps); },
          inputs, grads[0]);
    }
    const PackedBottleneck packed(bottleneck_of(inputs, stride, dilation));
    const auto out = cpu::inverted_bottleneck_backward(inputs[0], packed.weights, saved[7], saved[8],
                                                       grads[0].contiguous(at::MemoryFormat::ChannelsLast));
    const auto part = [&](std::int64_t at, std::int64_t count, const torch::Tensor& like) {
      return out.weights.narrow(1, at, count).reshape(like.sizes()).to(like.scalar_type());
    };
    return {out.x,
            out.expand.reshape(inputs[1].sizes()),
            part(0, 9, inputs[2]),
            part(9, 2, inputs[3]),
            part(11, 9, inputs[4]),
            part(20, 2, inputs[5]),
            out.project.reshape(inputs[6].sizes())};
  }
};

}  // namespace detail

PAM_FUNC torch::Tensor reference::inverted_bottleneck(const torch::Tensor& x, const InvertedBottleneck& w, double eps) {
  const auto expanded = reference::pointwise(x, w.expand, w.stride);
  return torch::conv2d(reference::dilated_branch(expanded, w.first, w.second, w.dilation, eps), w.project);
}

PAM_FUNC torch::Tensor inverted_bottleneck(const torch::Tensor& x, const InvertedBottleneck& w, double eps,
                                           Backend backend) {
  const auto &a = w.first, &b = w.second;
  if (detail::takes_bottleneck(x, w, backend)) {
    if (!detail::wants_graph(x, w.expand, a.conv, a.weight, a.bias, b.conv, b.weight, b.bias, w.project)) {
      detail::PackedBottleneck packed(w);
      // E's pixels beside each other: every vector of expanded channels reads them again.
      packed.weights.stride = 1;
      return cpu::inverted_bottleneck(detail::read_pixels(x.detach(), w.stride), packed.weights, eps,
                                      /*training=*/false)
          .y;
    }
    const torch::autograd::variable_list inputs{
        x, w.expand, a.conv, detail::norm_row(a), b.conv, detail::norm_row(b), w.project};
    return detail::apply_kernel(
        inputs, [&](auto* ctx) { return detail::Bottleneck::forward(ctx, inputs, w.stride, w.dilation, eps); },
        detail::Bottleneck::backward);
  }
  const bool planes = wants_planes(x, backend);
  const auto expanded =
      planes ? pointwise_to(x, w.expand, w.stride, at::MemoryFormat::Contiguous) : pointwise(x, w.expand, w.stride);
  const auto z = dilated_branch(expanded, a, b, w.dilation, eps, backend);
  return planes ? pointwise_to(z, w.project, 1, at::MemoryFormat::ChannelsLast) : torch::conv2d(z, w.project);
}

}  // namespace pam::kernels
