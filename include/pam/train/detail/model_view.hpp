// SPDX-License-Identifier: MIT
/// A model and a loss of any type as `fit` sees them.
#pragma once

#include <pam/core/torch.hpp>

#include <functional>
#include <type_traits>
#include <utility>

namespace pam::detail {

/// model(images), or model.forward(images) of a module that is no holder. Refers to `model`.
template <typename Model>
std::function<torch::Tensor(const torch::Tensor&)> forward_of(Model& model) {
  if constexpr (std::is_invocable_r_v<torch::Tensor, Model&, const torch::Tensor&>) {
    return [&model](const torch::Tensor& images) -> torch::Tensor { return model(images); };
  } else {
    return [&model](const torch::Tensor& images) -> torch::Tensor { return model.forward(images); };
  }
}

/// A module by reference and what it computes, as GraphedTrainingStep takes models. It does not say whether labels are
/// reversed: `fit` reverses them itself.
struct ModelView {
  torch::nn::Module* module;
  std::function<torch::Tensor(const torch::Tensor&)> forward;
  torch::Tensor operator()(const torch::Tensor& images) const { return forward(images); }
  torch::nn::Module* operator->() const { return module; }
};

/// True for a loss whose own options reverse the labels, as pam's do on request.
template <typename Loss, typename = void>
struct reverses_labels {
  static bool ask(const Loss&) { return false; }
};
template <typename Loss>
struct reverses_labels<Loss, std::void_t<decltype(static_cast<bool>(std::declval<const Loss&>().options().reversed))>> {
  static bool ask(const Loss& loss) { return loss.options().reversed; }
};

}  // namespace pam::detail
