// SPDX-License-Identifier: MIT
/// A model of any type as `fit` sees it: a module, a forward function, and whether it learns reversed labels.
#pragma once

#include <pam/core/torch.hpp>

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace pam::detail {

/// The module behind a holder, a `Network` or a module itself.
template <typename Model>
torch::nn::Module& module_of(Model& model) {
  if constexpr (std::is_base_of_v<torch::nn::Module, Model>) {
    return model;
  } else {
    return *model.operator->();
  }
}

/// model(images), or model.forward(images) of a module that is no holder. Refers to `model`.
template <typename Model>
std::function<torch::Tensor(const torch::Tensor&)> forward_of(Model& model) {
  if constexpr (std::is_invocable_r_v<torch::Tensor, Model&, const torch::Tensor&>) {
    return [&model](const torch::Tensor& images) -> torch::Tensor { return model(images); };
  } else {
    return [&model](const torch::Tensor& images) -> torch::Tensor { return model.forward(images); };
  }
}

/// True for a loss whose own options reverse the labels, as pam's do on request.
template <typename Loss, typename = void>
struct reverses_labels {
  static bool ask(const Loss&) { return false; }
};
template <typename Loss>
struct reverses_labels<Loss, std::void_t<decltype(static_cast<bool>(std::declval<const Loss&>().options().reversed))>> {
  static bool ask(const Loss& loss) { return loss.options().reversed; }
};

template <typename Model, typename = void>
struct has_reversed : std::false_type {};
template <typename Model>
struct has_reversed<Model, std::void_t<decltype(std::declval<Model&>().reversed())>> : std::true_type {};
template <typename Model, typename = void>
struct has_reversed_option : std::false_type {};
template <typename Model>
struct has_reversed_option<Model, std::void_t<decltype(std::declval<Model&>()->options.reversed())>> : std::true_type {
};

template <typename Model, typename = void>
struct has_own_reversed_option : std::false_type {};
template <typename Model>
struct has_own_reversed_option<Model, std::void_t<decltype(std::declval<Model&>().options.reversed())>>
    : std::true_type {};

/// Whether `model` learns 1 - label, as it says itself; nothing where it does not say.
template <typename Model>
std::optional<bool> says_reversed(Model& model) {
  if constexpr (has_reversed<Model>::value) {
    return model.reversed();
  } else if constexpr (has_reversed_option<Model>::value) {
    return model->options.reversed();
  } else if constexpr (has_own_reversed_option<Model>::value) {
    return model.options.reversed();
  }
  return std::nullopt;
}

template <typename Model, typename = void>
struct is_holder : std::false_type {};
template <typename Model>
struct is_holder<Model, std::void_t<decltype(static_cast<torch::nn::Module&>(*std::declval<Model&>().operator->()))>>
    : std::true_type {};

}  // namespace pam::detail
