// SPDX-License-Identifier: MIT
/// FPA's depth-wise branch D(D(x)): two dilated 3x3 convolutions with their instance norms and ReLUs. None of these mixes
/// channels, so a fused kernel carries one (sample, channel) plane through all of it (design.md section 5, plane fusion).
#pragma once

#include <pam/kernels/cpu/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>

namespace pam::kernels {

/// The weights of one D: a depth-wise convolution (C, 1, 3, 3) and the norm's weight and bias (C).
struct DepthwiseStep {
  torch::Tensor conv, weight, bias;
};

namespace reference {

/// relu(norm(conv(x))): stride 1, padding = dilation, one group per channel.
inline torch::Tensor depthwise_step(const torch::Tensor& x, const DepthwiseStep& step, std::int64_t dilation,
                                    double eps) {
  const auto y = torch::conv2d(x, step.conv, {}, /*stride=*/1, /*padding=*/dilation, dilation, /*groups=*/x.size(1));
  return instance_norm_relu(y, step.weight, step.bias, eps);
}

inline torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                    std::int64_t dilation, double eps) {
  return depthwise_step(depthwise_step(x, first, dilation, eps), second, dilation, eps);
}

}  // namespace reference

namespace detail {

/// A step's weights as the kernels read them: float32, (C, 9) and (C, 2).
struct PackedStep {
  explicit PackedStep(const DepthwiseStep& step)
      : conv(step.conv.detach().to(torch::kFloat).reshape({-1, 9}).contiguous()),
        norm(torch::stack({step.weight.detach().to(torch::kFloat), step.bias.detach().to(torch::kFloat)}, 1)) {}
  torch::Tensor conv, norm;
};

inline cpu::detail::BranchWeights branch_weights(const PackedStep& first, const PackedStep& second) {
  return {first.conv, first.norm, second.conv, second.norm};
}

inline bool is_step_of(std::int64_t channels, const DepthwiseStep& step) {
  return step.conv.defined() && step.conv.dim() == 4 && step.conv.numel() == 9 * channels && step.conv.size(0) == channels &&
         step.conv.size(2) == 3 && step.conv.device().is_cpu() && cpu::rows_of(channels, step.weight, step.bias);
}

/// Saves x and four numbers a plane; the backward pass recomputes the rest in the cache.
struct DilatedBranch : torch::autograd::Function<DilatedBranch> {
  using Tensor = torch::Tensor;

  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& conv1,
                        const Tensor& weight1, const Tensor& bias1, const Tensor& conv2, const Tensor& weight2,
                        const Tensor& bias2, std::int64_t dilation, double eps) {
    const PackedStep first({conv1, weight1, bias1}), second({conv2, weight2, bias2});
    const auto [y, moments] = cpu::dilated_branch(dense(x), branch_weights(first, second), dilation, eps);
    ctx->save_for_backward({x, conv1, weight1, bias1, conv2, weight2, bias2, moments});
    ctx->saved_data["dilation"] = dilation;
    ctx->saved_data["eps"] = eps;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto s = ctx->get_saved_variables();
    const auto dilation = ctx->saved_data["dilation"].toInt();
    if (torch::GradMode::is_enabled()) {
      const auto eps = ctx->saved_data["eps"].toDouble();
      auto result = differentiable_gradients(
          [&] { return reference::dilated_branch(s[0], {s[1], s[2], s[3]}, {s[4], s[5], s[6]}, dilation, eps); },
          {s[0], s[1], s[2], s[3], s[4], s[5], s[6]}, grads[0]);
      result.resize(9);
      return result;
    }
    const PackedStep first({s[1], s[2], s[3]}), second({s[4], s[5], s[6]});
    const auto x = dense(s[0]);
    const auto out = cpu::dilated_branch_backward(x, branch_weights(first, second), dilation, s[7],
                                                  grads[0].contiguous(cpu::layout_of(x)));
    const auto part = [&](std::int64_t at, std::int64_t count, const Tensor& like) {
      return out.weights.narrow(1, at, count).reshape(like.sizes()).to(like.scalar_type());
    };
    return {out.x,           part(0, 9, s[1]),  part(9, 1, s[2]), part(10, 1, s[3]), part(11, 9, s[4]),
            part(20, 1, s[5]), part(21, 1, s[6]), {},               {}};
  }
};

}  // namespace detail

/// Shapes: x (N, C, H, W) -> (N, C, H, W). `first` and `second` may be the same weights (FPA's table5 preset).
inline torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                    std::int64_t dilation, double eps, Backend backend) {
  if (!detail::fused(backend, x) || dilation < 1 || !detail::is_step_of(x.size(1), first) ||
      !detail::is_step_of(x.size(1), second)) {
    return reference::dilated_branch(x, first, second, dilation, eps);
  }
  if (detail::wants_graph(x, first.conv, first.weight, first.bias, second.conv, second.weight, second.bias)) {
    return detail::DilatedBranch::apply(x, first.conv, first.weight, first.bias, second.conv, second.weight,
                                        second.bias, dilation, eps);
  }
  const detail::PackedStep one(first), two(second);
  return cpu::dilated_branch(detail::dense(x), detail::branch_weights(one, two), dilation, eps).first;
}

}  // namespace pam::kernels
