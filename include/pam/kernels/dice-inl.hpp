// SPDX-License-Identifier: MIT
/// The definitions of dice.hpp.
#pragma once

#include <pam/kernels/detail/cpu/dice.hpp>
#include <pam/kernels/detail/cuda/dice.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/dice.hpp>

namespace pam::kernels {

namespace reference {

PAM_FUNC torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target) {
  const auto wide = logits.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  const auto p = torch::sigmoid(logits.to(wide));
  const auto t = target.to(wide);
  return torch::stack({(p * t).sum(), p.sum(), t.sum()});
}

}  // namespace reference

namespace detail {

/// `target` as the kernel reads it: float32, in the order of dense `logits`.
PAM_FUNC torch::Tensor dice_target(const torch::Tensor& target, const torch::Tensor& logits) {
  return target.to(torch::kFloat).contiguous(layout_of(logits));
}

PAM_FUNC torch::Tensor dice_forward(const torch::Tensor& logits, const torch::Tensor& target) {
  const auto x = dense(logits), t = dice_target(target, x);
  if (auto* device = cuda::launcher_of(x)) return cuda::dice_sums(*device, x, t);
  return cpu::dice_sums(x, t);
}

struct DiceSums {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& logits,
                               const torch::Tensor& target) {
    ctx->save_for_backward({logits, target});
    return dice_forward(logits, target);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    if (torch::GradMode::is_enabled()) {
      return differentiable_gradients([&](const auto& v) { return reference::dice_sums(v[0], v[1]); }, saved, grads[0]);
    }
    const auto x = dense(saved[0]), t = dice_target(saved[1], x);
    if (auto* device = cuda::launcher_of(x)) {
      return {cuda::dice_sums_backward(*device, x, t, grads[0].to(torch::kFloat).contiguous()), {}};
    }
    return {cpu::dice_sums_backward(x, t, grads[0]), {}};
  }
};

}  // namespace detail

PAM_FUNC torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target, Backend backend) {
  if (!detail::fused(backend, logits, target) || !target.defined() || target.device() != logits.device() ||
      target.sizes() != logits.sizes() || target.requires_grad() || target.scalar_type() == torch::kDouble) {
    return reference::dice_sums(logits, target);
  }
  if (detail::wants_graph(logits))
    return detail::apply_kernel(
        {logits, target}, [&](auto* ctx) { return detail::DiceSums::forward(ctx, logits, target); },
        detail::DiceSums::backward);
  return detail::dice_forward(logits, target);
}

}  // namespace pam::kernels
