// SPDX-License-Identifier: MIT
/// The definitions of instance_norm.hpp.
#pragma once

#include <pam/kernels/detail/cpu/instance_norm.hpp>
#include <pam/kernels/detail/cuda/instance_norm.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/gate.hpp>
#include <pam/kernels/instance_norm.hpp>

namespace pam::kernels {

namespace reference {

PAM_FUNC torch::Tensor instance_norm_relu(const torch::Tensor& x, const torch::Tensor& weight,
                                          const torch::Tensor& bias, double eps) {
  if (x.numel() == 0) return x.relu();  // LibTorch's instance norm refuses a batch of zero samples
  return torch::relu(torch::instance_norm(x, weight, bias, {}, {}, /*use_input_stats=*/true, /*momentum=*/0.1, eps,
                                          /*cudnn_enabled=*/true));
}

PAM_FUNC torch::Tensor instance_norm_relu_gate(const torch::Tensor& x, const torch::Tensor& weight,
                                               const torch::Tensor& bias, double eps, const torch::Tensor& logits,
                                               bool identity) {
  return gate(instance_norm_relu(x, weight, bias, eps), logits, identity);
}

}  // namespace reference

namespace detail {

/// `logits` undefined: no gate. `output` undefined: a new tensor.
PAM_FUNC cpu::NormResult norm_forward(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                                      const torch::Tensor& bias, double eps, bool identity, torch::Tensor output = {}) {
  const auto input = dense(x);
  const auto gate = logits.defined() ? logits.contiguous(layout_of(input)) : logits;
  if (!output.defined()) output = torch::empty_like(input);
  if (auto* device = cuda::launcher_of(input)) {
    return {output, cuda::instance_norm_relu(*device, input, gate, weight, bias, eps, identity, output)};
  }
  return cpu::instance_norm_relu(input, gate, cpu::float_row(weight), cpu::float_row(bias), eps, identity, output);
}

PAM_FUNC cpu::NormGradients norm_backward(const torch::Tensor& x, const torch::Tensor& logits,
                                          const torch::Tensor& weight, const torch::Tensor& bias, bool identity,
                                          const torch::Tensor& moments, const torch::Tensor& dy) {
  const auto input = dense(x);
  const auto layout = layout_of(input);
  const auto gate = logits.defined() ? logits.contiguous(layout) : logits, up = dy.contiguous(layout);
  cpu::NormGradients out;
  if (auto* device = cuda::launcher_of(input)) {
    const auto found = cuda::instance_norm_relu_backward(*device, input, gate, identity, moments, up);
    out = {found.x, found.weight, found.bias, found.logits};
  }
  if (!out.x.defined()) {
    out = cpu::instance_norm_relu_backward(input, gate, cpu::float_row(weight), cpu::float_row(bias), identity, moments,
                                           up);
  }
  out.weight = out.weight.to(weight.scalar_type()), out.bias = out.bias.to(bias.scalar_type());
  return out;
}

/// Saves x and a few numbers per plane; the backward pass recomputes the rest.
struct InstanceNormRelu {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias, double eps) {
    const auto result = norm_forward(x, {}, weight, bias, eps, false);
    ctx->save_for_backward({x, weight, bias, result.moments});
    ctx->saved_data["eps"] = eps;
    return result.output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    if (torch::GradMode::is_enabled()) {
      const auto eps = ctx->saved_data["eps"].toDouble();
      return differentiable_gradients(
          [&](const auto& v) { return reference::instance_norm_relu(v[0], v[1], v[2], eps); },
          {saved[0], saved[1], saved[2]}, grads[0]);
    }
    const auto out = norm_backward(saved[0], {}, saved[1], saved[2], false, saved[3], grads[0]);
    return {out.x, out.weight, out.bias};
  }
};

struct InstanceNormReluGate {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias, double eps,
                               const torch::Tensor& logits, bool identity) {
    const auto result = norm_forward(x, logits, weight, bias, eps, identity);
    ctx->save_for_backward({x, weight, bias, logits, result.moments});
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["identity"] = identity;
    return result.output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto identity = ctx->saved_data["identity"].toBool();
    if (torch::GradMode::is_enabled()) {
      const auto eps = ctx->saved_data["eps"].toDouble();
      return differentiable_gradients(
          [&](const auto& v) { return reference::instance_norm_relu_gate(v[0], v[1], v[2], eps, v[3], identity); },
          {saved[0], saved[1], saved[2], saved[3]}, grads[0]);
    }
    const auto out = norm_backward(saved[0], saved[3], saved[1], saved[2], identity, saved[4], grads[0]);
    return {out.x, out.weight, out.bias, out.logits};
  }
};

}  // namespace detail

PAM_FUNC torch::Tensor instance_norm_relu(const torch::Tensor& x, const torch::Tensor& weight,
                                          const torch::Tensor& bias, double eps, Backend backend) {
  if (!detail::fused(backend, x, weight, bias) || !cpu::rows_of(x, weight, bias)) {
    return reference::instance_norm_relu(x, weight, bias, eps);
  }
  if (detail::wants_graph(x, weight, bias))
    return detail::apply_kernel(
        {x, weight, bias}, [&](auto* ctx) { return detail::InstanceNormRelu::forward(ctx, x, weight, bias, eps); },
        detail::InstanceNormRelu::backward);
  return detail::norm_forward(x, {}, weight, bias, eps, false).output;
}

PAM_FUNC torch::Tensor instance_norm_relu(torch::Tensor&& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                          double eps, Backend backend) {
  if (detail::fused(backend, x, weight, bias) && cpu::rows_of(x, weight, bias) &&
      !detail::wants_graph(x, weight, bias) && detail::may_overwrite(x)) {
    return detail::norm_forward(x, {}, weight, bias, eps, false, x).output;
  }
  return instance_norm_relu(static_cast<const torch::Tensor&>(x), weight, bias, eps, backend);
}

PAM_FUNC torch::Tensor instance_norm_relu_gate(const torch::Tensor& x, const torch::Tensor& weight,
                                               const torch::Tensor& bias, double eps, const torch::Tensor& logits,
                                               bool identity, Backend backend) {
  if (!detail::fused(backend, x, weight, bias, logits) || !cpu::rows_of(x, weight, bias) || !cpu::alike(x, logits) ||
      x.sizes() != logits.sizes()) {
    return reference::instance_norm_relu_gate(x, weight, bias, eps, logits, identity);
  }
  if (detail::wants_graph(x, weight, bias, logits)) {
    return detail::apply_kernel(
        {x, weight, bias, logits},
        [&](auto* ctx) { return detail::InstanceNormReluGate::forward(ctx, x, weight, bias, eps, logits, identity); },
        detail::InstanceNormReluGate::backward);
  }
  return detail::norm_forward(x, logits, weight, bias, eps, identity).output;
}

PAM_FUNC torch::Tensor instance_norm_relu_gate(torch::Tensor&& x, const torch::Tensor& weight,
                                               const torch::Tensor& bias, double eps, const torch::Tensor& logits,
                                               bool identity, Backend backend) {
  if (detail::fused(backend, x, weight, bias, logits) && cpu::rows_of(x, weight, bias) && cpu::alike(x, logits) &&
      x.sizes() == logits.sizes() && !detail::wants_graph(x, weight, bias, logits) && detail::may_overwrite(x)) {
    return detail::norm_forward(x, logits, weight, bias, eps, identity, x).output;
  }
  return instance_norm_relu_gate(static_cast<const torch::Tensor&>(x), weight, bias, eps, logits, identity, backend);
}

}  // namespace pam::kernels
