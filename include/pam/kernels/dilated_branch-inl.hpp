// SPDX-License-Identifier: MIT
/// The definitions of dilated_branch.hpp.
#pragma once

#include <pam/kernels/detail/cpu/dilated_branch.hpp>
#include <pam/kernels/detail/cuda/dilated_branch.hpp>
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/detail/packed_step.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>

namespace pam::kernels {

namespace reference {

PAM_FUNC torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                      std::int64_t dilation, double eps) {
  return depthwise_step(depthwise_step(x, first, /*stride=*/1, dilation, eps), second, /*stride=*/1, dilation, eps);
}

}  // namespace reference

namespace detail {

/// Refers to the memory of both, which must outlive it.
PAM_FUNC cpu::detail::BranchWeights branch_weights(const PackedStep& first, const PackedStep& second) {
  return {first.conv, first.norm, second.conv, second.norm};
}

/// y and what the backward pass needs.
PAM_FUNC std::pair<torch::Tensor, torch::Tensor> branch_forward(const torch::Tensor& x, const DepthwiseStep& first,
                                                                const DepthwiseStep& second, std::int64_t dilation,
                                                                double eps) {
  const auto input = dense(x);
  if (auto* device = cuda::launcher_of(input)) {
    const auto layout = layout_of(input);
    auto [y, table] = cuda::dilated_branch(*device, input.contiguous(), {first.conv, first.weight, first.bias},
                                           {second.conv, second.weight, second.bias}, dilation, eps);
    return {y.contiguous(layout), table};
  }
  const PackedStep one(first.conv, first.weight, first.bias), two(second.conv, second.weight, second.bias);
  return cpu::dilated_branch(input, branch_weights(one, two), dilation, eps);
}

/// The gradients of x and of each parameter, in the order of DilatedBranch's inputs. `shared`: both steps have the same
/// parameters; the first step's then have the sum of both, which autograd would add up parameter by parameter.
PAM_FUNC torch::autograd::variable_list branch_backward(const torch::Tensor& x, const DepthwiseStep& first,
                                                        const DepthwiseStep& second, bool shared, std::int64_t dilation,
                                                        const torch::Tensor& moments, const torch::Tensor& dy) {
  const auto input = dense(x);
  const auto layout = layout_of(input);
  // part(all, at, count): of 22 numbers a channel (nine taps, the norm's weight and bias, twice) `count` from `at` on.
  const auto gradients = [&](const torch::Tensor& dx, const torch::Tensor& all,
                             const auto& part) -> torch::autograd::variable_list {
    const auto like = [&](const torch::Tensor& of, std::int64_t at, std::int64_t count,
                          const torch::Tensor& parameter) {
      return part(of, at, count).reshape(parameter.sizes()).to(parameter.scalar_type());
    };
    const auto one = shared ? part(all, 0, 11) + part(all, 11, 11) : all;
    torch::autograd::variable_list result{dx, like(one, 0, 9, first.conv), like(one, 9, 1, first.weight),
                                          like(one, 10, 1, first.bias)};
    if (shared) return result;
    result.push_back(like(all, 11, 9, second.conv));
    result.push_back(like(all, 20, 1, second.weight));
    result.push_back(like(all, 21, 1, second.bias));
    return result;
  };
  if (auto* device = cuda::launcher_of(input)) {
    const auto [dx, rows] =
        cuda::dilated_branch_backward(*device, input.contiguous(), {first.conv, first.weight, first.bias},
                                      {second.conv, second.weight, second.bias}, dilation, moments, dy.contiguous());
    const auto channels = x.size(1);
    return gradients(dx.contiguous(layout), rows, [&](const torch::Tensor& all, std::int64_t at, std::int64_t count) {
      return all.narrow(0, at * channels, count * channels);
    });
  }
  const PackedStep one(first.conv, first.weight, first.bias), two(second.conv, second.weight, second.bias);
  const auto out =
      cpu::dilated_branch_backward(input, branch_weights(one, two), dilation, moments, dy.contiguous(layout));
  return gradients(out.x, out.weights, [](const torch::Tensor& all, std::int64_t at, std::int64_t count) {
    return all.narrow(1, at, count);
  });
}

/// A depth-wise 3x3 convolution by itself, for planes that do not fit a block's shared memory.
struct DepthwiseConv {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& weight, std::int64_t dilation) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["dilation"] = dilation;
    return cuda::depthwise(*cuda::launcher_of(x), x.contiguous(), weight, dilation, /*turned=*/false);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto dilation = ctx->saved_data["dilation"].toInt();
    if (torch::GradMode::is_enabled()) {
      return differentiable_gradients(
          [&](const auto& v) { return torch::conv2d(v[0], v[1], {}, 1, dilation, dilation, v[0].size(1)); }, saved,
          grads[0]);
    }
    auto& device = *cuda::launcher_of(saved[0]);
    const auto dy = grads[0].contiguous();
    const auto dw = cuda::depthwise_weights(device, dy, saved[0].contiguous(), dilation);
    return {cuda::depthwise(device, dy, saved[1], dilation, /*turned=*/true),
            dw.reshape(saved[1].sizes()).to(saved[1].scalar_type())};
  }
};

PAM_FUNC torch::Tensor branch_in_steps(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                       std::int64_t dilation, double eps) {
  const auto step = [&](const torch::Tensor& in, const DepthwiseStep& s) {
    return kernels::instance_norm_relu(
        apply_kernel(
            {in, s.conv}, [&](auto* ctx) { return DepthwiseConv::forward(ctx, in, s.conv, dilation); },
            DepthwiseConv::backward),
        s.weight, s.bias, eps, Backend::Fused);
  };
  return step(step(x, first), second).contiguous(layout_of(dense(x)));
}

/// Saves x and four numbers per plane; the backward pass recomputes the rest in the cache.
struct DilatedBranch {
  using Tensor = torch::Tensor;

  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& conv1,
                        const Tensor& weight1, const Tensor& bias1, const Tensor& conv2, const Tensor& weight2,
                        const Tensor& bias2, std::int64_t dilation, double eps) {
    const auto [y, moments] = branch_forward(x, {conv1, weight1, bias1}, {conv2, weight2, bias2}, dilation, eps);
    ctx->save_for_backward({x, conv1, weight1, bias1, conv2, weight2, bias2, moments});
    ctx->saved_data["shared"] = conv1.is_same(conv2) && weight1.is_same(weight2) && bias1.is_same(bias2);
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
      return differentiable_gradients(
          [&](const auto& v) {
            return reference::dilated_branch(v[0], {v[1], v[2], v[3]}, {v[4], v[5], v[6]}, dilation, eps);
          },
          {s[0], s[1], s[2], s[3], s[4], s[5], s[6]}, grads[0]);
    }
    return branch_backward(s[0], {s[1], s[2], s[3]}, {s[4], s[5], s[6]}, ctx->saved_data["shared"].toBool(), dilation,
                           s[7], grads[0]);
  }
};

}  // namespace detail

PAM_FUNC torch::Tensor dilated_branch(const torch::Tensor& x, const DepthwiseStep& first, const DepthwiseStep& second,
                                      std::int64_t dilation, double eps, Backend backend) {
  if (!detail::fused(backend, x, first.conv, first.weight, first.bias, second.conv, second.weight, second.bias) ||
      dilation < 1 || !detail::is_step_of(x, first) || !detail::is_step_of(x, second)) {
    return reference::dilated_branch(x, first, second, dilation, eps);
  }
  const bool graph =
      detail::wants_graph(x, first.conv, first.weight, first.bias, second.conv, second.weight, second.bias);
  if (auto* device = cuda::launcher_of(x); device != nullptr && !cuda::plane_fits(*device, x, graph)) {
    return detail::branch_in_steps(x, first, second, dilation, eps);
  }
  if (graph) {
    return detail::apply_kernel(
        {x, first.conv, first.weight, first.bias, second.conv, second.weight, second.bias},
        [&](auto* ctx) {
          return detail::DilatedBranch::forward(ctx, x, first.conv, first.weight, first.bias, second.conv,
                                                second.weight, second.bias, dilation, eps);
        },
        detail::DilatedBranch::backward);
  }
  return detail::branch_forward(x, first, second, dilation, eps).first;
}

}  // namespace pam::kernels
