// SPDX-License-Identifier: MIT
/// The definitions of upsample.hpp.
#pragma once

#include <pam/kernels/detail/cpu/upsample.hpp>
#include <pam/kernels/detail/cuda/upsample.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/gate.hpp>
#include <pam/kernels/upsample.hpp>

namespace pam::kernels {

PAM_FUNC torch::Tensor upsample(const torch::Tensor& x, at::IntArrayRef size) {
  return x.sizes().slice(2) == size ? x : at::upsample_bilinear2d(x, size, /*align_corners=*/true);
}

namespace reference {

PAM_FUNC torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip) {
  return torch::cat({upsample(x, skip.sizes().slice(2)), skip}, 1);
}

PAM_FUNC torch::Tensor upsample_gate(const torch::Tensor& features, const torch::Tensor& logits,
                                     const torch::Tensor& shortcut, bool identity) {
  return gate(features, upsample(logits, features.sizes().slice(2)) + shortcut, identity);
}

}  // namespace reference

namespace detail {

PAM_FUNC torch::Tensor upsample_concat_forward(const torch::Tensor& x, const torch::Tensor& skip) {
  const auto beside = dense(skip), below = x.contiguous(layout_of(beside));
  if (auto* device = cuda::launcher_of(beside)) return cuda::upsample_concat(*device, below, beside);
  return cpu::upsample_concat(below, beside);
}

struct UpsampleConcat {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& skip) {
    auto y = upsample_concat_forward(x, skip);
    ctx->saved_data["shape"] = x.sizes().vec();
    ctx->saved_data["pixels"] = is_channels_last(y);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto shape = ctx->saved_data["shape"].toIntVector();
    const auto& dy = grads[0];
    const auto skip = dy.narrow(1, shape[1], dy.size(1) - shape[1]);  // a view: accumulating it needs no copy
    if (torch::GradMode::is_enabled()) {  // linear, so this expression of dy is its own derivative
      const auto up = dy.narrow(1, 0, shape[1]);
      return {at::upsample_bilinear2d_backward(up, dy.sizes().slice(2), shape, /*align_corners=*/true), skip};
    }
    const auto pixels = ctx->saved_data["pixels"].toBool();
    const auto layout = pixels ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    const auto up = dy.contiguous(layout);
    if (auto* device = cuda::launcher_of(up)) {
      return {cuda::upsample_concat_backward(*device, up, shape, pixels), skip};
    }
    return {cpu::upsample_concat_backward(up, shape, pixels), skip};
  }
};

struct UpsampleGate {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& features,
                               const torch::Tensor& logits, const torch::Tensor& shortcut, bool identity) {
    ctx->save_for_backward({features, logits, shortcut});
    ctx->saved_data["identity"] = identity;
    ctx->saved_data["same"] = features.is_same(shortcut);
    return run(features, logits, shortcut, identity);
  }

  static torch::Tensor run(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& shortcut,
                           bool identity) {
    const auto f = dense(features);
    const auto layout = layout_of(f);
    const auto low = logits.contiguous(layout), added = shortcut.contiguous(layout);
    if (auto* device = cuda::launcher_of(f)) return cuda::upsample_gate(*device, f, low, added, identity);
    return cpu::upsample_gate(f, low, added, identity);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto identity = ctx->saved_data["identity"].toBool(), same = ctx->saved_data["same"].toBool();
    if (torch::GradMode::is_enabled()) {
      return differentiable_gradients(
          [&](const auto& v) { return reference::upsample_gate(v[0], v[1], v[2], identity); }, saved, grads[0]);
    }
    const auto f = dense(saved[0]);
    const auto layout = layout_of(f);
    const auto low = saved[1].contiguous(layout), added = saved[2].contiguous(layout), up = grads[0].contiguous(layout);
    if (auto* device = cuda::launcher_of(f)) {
      const auto found = cuda::upsample_gate_backward(*device, f, low, added, identity, same, up);
      return {found.features, found.logits, found.shortcut};
    }
    const auto out = cpu::upsample_gate_backward(f, low, added, identity, same, up);
    return {out.features, out.logits, out.shortcut};
  }
};

}  // namespace detail

PAM_FUNC torch::Tensor upsample_concat(const torch::Tensor& x, const torch::Tensor& skip, Backend backend) {
  if (!detail::fused(backend, skip, x) || !cpu::alike(skip, x) || !detail::enlarges(x, skip) ||
      x.sizes().slice(2) == skip.sizes().slice(2)) {  // nothing to resize: cat is one copy already
    return reference::upsample_concat(x, skip);
  }
  if (detail::wants_graph(x, skip))
    return detail::apply_kernel(
        {x, skip}, [&](auto* ctx) { return detail::UpsampleConcat::forward(ctx, x, skip); },
        detail::UpsampleConcat::backward);
  return detail::upsample_concat_forward(x, skip);
}

PAM_FUNC torch::Tensor upsample_gate(const torch::Tensor& features, const torch::Tensor& logits,
                                     const torch::Tensor& shortcut, bool identity, Backend backend) {
  if (!detail::fused(backend, features, logits, shortcut) || !cpu::alike(features, logits, shortcut) ||
      features.sizes() != shortcut.sizes() || !detail::enlarges(logits, features) ||
      logits.size(1) != features.size(1)) {
    return reference::upsample_gate(features, logits, shortcut, identity);
  }
  if (detail::wants_graph(features, logits, shortcut)) {
    return detail::apply_kernel(
        {features, logits, shortcut},
        [&](auto* ctx) { return detail::UpsampleGate::forward(ctx, features, logits, shortcut, identity); },
        detail::UpsampleGate::backward);
  }
  return detail::UpsampleGate::run(features, logits, shortcut, identity);
}

}  // namespace pam::kernels
