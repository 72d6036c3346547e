// SPDX-License-Identifier: MIT
/// What the fused kernels' autograd functions share: when a graph is wanted, and gradients of gradients.
#pragma once

#include <pam/core/torch.hpp>

#include <functional>
#include <vector>

namespace pam::kernels::detail {

/// True if autograd needs the gradient of one of these tensors; otherwise nothing needs to be saved.
template <typename... Tensors>
bool wants_graph(const Tensors&... tensors) {
  return torch::GradMode::is_enabled() && (tensors.requires_grad() || ...);
}

/// The kernels write through raw pointers, which autograd cannot see. So a backward pass that is itself to be
/// differentiated (create_graph) runs the reference expression on the saved inputs instead: `expression(inputs)`. It
/// runs on views of them, so that each gradient is that of one input only, even if a tensor is passed twice or one
/// input is computed from another. Inputs that need no gradient, and undefined ones, give undefined tensors.
inline torch::autograd::variable_list differentiable_gradients(
    const std::function<torch::Tensor(const torch::autograd::variable_list&)>& expression,
    const torch::autograd::variable_list& inputs, const torch::Tensor& gradient) {
  torch::autograd::variable_list views = inputs, wanted;
  for (auto& input : views) {
    if (!input.defined() || !input.requires_grad()) continue;
    input = input.view_as(input);
    wanted.push_back(input);
  }
  const auto found = torch::autograd::grad({expression(views)}, wanted, {gradient}, /*retain_graph=*/true,
                                           /*create_graph=*/true, /*allow_unused=*/true);
  torch::autograd::variable_list result;
  std::size_t next = 0;
  for (const auto& input : inputs) {
    result.push_back(input.defined() && input.requires_grad() ? found[next++] : torch::Tensor());
  }
  return result;
}

using Forward = std::function<torch::Tensor(torch::autograd::AutogradContext*)>;
using Backward = torch::autograd::variable_list (*)(torch::autograd::AutogradContext*,
                                                    const torch::autograd::variable_list&);

/// The one autograd function of all kernels: LibTorch's templates around one take g++ longer than most kernels do.
struct KernelFunction : torch::autograd::Function<KernelFunction> {
  using Tensor = torch::Tensor;
  static constexpr std::size_t kInputs = 7;

  static Tensor forward(torch::autograd::AutogradContext* ctx, const Forward* run, Backward backward_, const Tensor&,
                        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
    ctx->saved_data["backward"] = reinterpret_cast<std::int64_t>(backward_);
    return (*run)(ctx);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto run = reinterpret_cast<Backward>(ctx->saved_data["backward"].toInt());
    auto result = run(ctx, grads);
    result.insert(result.begin(), 2, Tensor());  // of `run` and `backward_`
    result.resize(2 + kInputs);
    return result;
  }
};

/// `forward(ctx)` with a node in the graph, whose backward pass is `backward`: it returns a gradient for each of
/// `inputs`, in their order.
inline torch::Tensor apply_kernel(torch::autograd::variable_list inputs, const Forward& forward, Backward backward) {
  TORCH_INTERNAL_ASSERT(inputs.size() <= KernelFunction::kInputs);
  static const auto unused = torch::empty({0});  // LibTorch wants every input defined
  inputs.resize(KernelFunction::kInputs, unused);
  return KernelFunction::apply(&forward, backward, inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5],
                               inputs[6]);
}

}  // namespace pam::kernels::detail
