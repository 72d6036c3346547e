// SPDX-License-Identifier: MIT
/// What the fused kernels' autograd functions share: when a graph is wanted, and gradients of gradients.
#pragma once

#include <pam/core/torch.hpp>

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
template <typename Expression>
torch::autograd::variable_list differentiable_gradients(const Expression& expression,
                                                        const torch::autograd::variable_list& inputs,
                                                        const torch::Tensor& gradient) {
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

}  // namespace pam::kernels::detail
