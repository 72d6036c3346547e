// SPDX-License-Identifier: MIT
/// The definitions of fused_adamw.hpp.
#pragma once

#include <pam/train/detail/optimizer_state.hpp>
#include <pam/train/fused_adamw.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pam {

PAM_FUNC bool detail::same_places(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

#if PAM_TORCH_AT_LEAST(2, 4)
namespace detail {

/// Parameters that one call updates: of one device, at one step.
struct AdamWBatch {
  std::vector<torch::Tensor> parameters, gradients, means, squares;
  std::vector<torch::optim::AdamWParamState*> states;
};
using AdamWBatches = std::map<std::pair<std::string, std::int64_t>, AdamWBatch>;

PAM_FUNC bool add_to_batch(torch::optim::AdamW& optimizer, const torch::Tensor& parameter, AdamWBatches& batches) {
  const auto alike = [&](const torch::Tensor& x) {
    return x.scalar_type() == torch::kFloat && x.device() == parameter.device() && x.layout() == torch::kStrided &&
           same_places(x, parameter);
  };
  const auto device = parameter.device();
  if (!alike(parameter) || !alike(parameter.grad()) || (!device.is_cpu() && !device.is_cuda()) ||
      !parameter.is_non_overlapping_and_dense()) {
    return false;
  }
  auto& held = optimizer.state()[optimizer_key(parameter)];
  if (!held) {
    auto fresh = std::make_unique<torch::optim::AdamWParamState>();
    fresh->step(0);
    fresh->exp_avg(torch::zeros_like(parameter, torch::MemoryFormat::Preserve));
    fresh->exp_avg_sq(torch::zeros_like(parameter, torch::MemoryFormat::Preserve));
    held = std::move(fresh);
  }
  auto& own = static_cast<torch::optim::AdamWParamState&>(*held);
  if (!alike(own.exp_avg()) || !alike(own.exp_avg_sq())) return false;
  auto& batch = batches[{device.str(), own.step()}];
  batch.parameters.push_back(parameter);
  batch.gradients.push_back(parameter.grad());
  batch.means.push_back(own.exp_avg());
  batch.squares.push_back(own.exp_avg_sq());
  batch.states.push_back(&own);
  return true;
}

PAM_FUNC void update_batch(const torch::optim::AdamWOptions& options, std::int64_t step, AdamWBatch& batch) {
  // The kernel reads the step from the device; one number serves all.
  const auto count = torch::full({}, static_cast<double>(step), batch.parameters[0].options().requires_grad(false));
  const std::vector<torch::Tensor> counts(batch.parameters.size(), count);
  at::_fused_adamw_(batch.parameters, batch.gradients, batch.means, batch.squares, {}, counts, options.lr(),
                    std::get<0>(options.betas()), std::get<1>(options.betas()), options.weight_decay(), options.eps(),
                    /*amsgrad=*/false, /*maximize=*/false);
  for (auto* own : batch.states) own->step(step);
}

PAM_FUNC bool step_fused(torch::optim::AdamW& optimizer) {
  const torch::NoGradGuard no_grad;
  std::vector<AdamWBatches> all;
  for (auto& group : optimizer.param_groups()) {
    if (static_cast<const torch::optim::AdamWOptions&>(group.options()).amsgrad()) return false;
    all.emplace_back();
    for (auto& parameter : group.params()) {
      if (parameter.grad().defined() && !add_to_batch(optimizer, parameter, all.back())) return false;
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& options = static_cast<const torch::optim::AdamWOptions&>(optimizer.param_groups()[i].options());
    for (auto& [key, batch] : all[i]) update_batch(options, key.second + 1, batch);
  }
  return true;
}

}  // namespace detail
#endif

PAM_FUNC torch::Tensor FusedAdamW::step(LossClosure closure) {
#if PAM_TORCH_AT_LEAST(2, 4)
  torch::Tensor loss;
  if (closure) {
    const torch::AutoGradMode with_gradients(true);
    loss = closure();
  }
  if (detail::step_fused(*this)) {
    ++fused_steps_;
  } else {
    torch::optim::AdamW::step();
  }
  return loss;
#else
  return torch::optim::AdamW::step(std::move(closure));
#endif
}

}  // namespace pam
