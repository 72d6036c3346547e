// SPDX-License-Identifier: MIT
/// An optimizer's state by parameter name. LibTorch keys it by the tensor's address (text in 1.13, a pointer later), so
/// `torch::save(optimizer)` files name entries "state.0x55bf…" and cannot be read by another process. The difference
/// between the versions is handled here.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/state_dict.hpp>

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace pam {
namespace detail {

using OptimizerStates = std::decay_t<decltype(std::declval<torch::optim::Optimizer&>().state())>;

/// The key under which this LibTorch keeps the state of `parameter`.
template <typename Key = OptimizerStates::key_type>
Key optimizer_key(const torch::Tensor& parameter) {
  void* const address = parameter.unsafeGetTensorImpl();
  if constexpr (std::is_same_v<Key, std::string>) {
    std::ostringstream text;
    text << address;
    return text.str();
  } else {
    return address;
  }
}

template <typename T, typename = void>
struct has_step : std::false_type {};
template <typename T>
struct has_step<T, std::void_t<decltype(std::declval<T&>().step())>> : std::true_type {};

/// The tensors of one parameter's state, by name; `step` as an int64 tensor. Undefined ones are left out.
template <typename State>
void visit_state(State& state, const std::function<void(const char*, torch::Tensor&)>& field) {
  if constexpr (has_step<State>::value) {
    auto step = torch::scalar_tensor(state.step(), torch::kInt64);
    field("step", step);
    state.step(step.template item<std::int64_t>());
    field("exp_avg", state.exp_avg());
    field("exp_avg_sq", state.exp_avg_sq());
    field("max_exp_avg_sq", state.max_exp_avg_sq());
  } else {
    field("momentum_buffer", state.momentum_buffer());
  }
}

/// Calls `visit(State{})` with the state type of `optimizer`.
template <typename Visitor>
void with_state_type(const torch::optim::Optimizer& optimizer, Visitor&& visit) {
  if (dynamic_cast<const torch::optim::AdamW*>(&optimizer) != nullptr) {
    visit(torch::optim::AdamWParamState());
  } else if (dynamic_cast<const torch::optim::Adam*>(&optimizer) != nullptr) {
    visit(torch::optim::AdamParamState());
  } else if (dynamic_cast<const torch::optim::SGD*>(&optimizer) != nullptr) {
    visit(torch::optim::SGDParamState());
  } else {
    fail("optimizer: the state of this type cannot be saved by name; use AdamW, Adam or SGD");
  }
}

/// The optimizer's parameters with their names in `parameters` (the model's). Throws for one that the model lacks, and
/// for one that is listed twice: every step would change it twice.
inline StateDict optimized_parameters(const torch::optim::Optimizer& optimizer, const StateDict& parameters) {
  std::map<const void*, std::string> names;
  for (const auto& [name, parameter] : parameters) names.emplace(parameter.unsafeGetTensorImpl(), name);
  StateDict optimized;
  std::set<const void*> known;
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& parameter : group.params()) {
      const auto name = names.find(parameter.unsafeGetTensorImpl());
      check(name != names.end(),
            "optimizer: it holds a parameter of shape {} that the model does not have; build the optimizer from "
            "model->parameters(), after any clone",
            shape_string(parameter));
      check(known.insert(name->first).second,
            "optimizer: it holds the parameter '{}' twice; LibTorch's parameters() lists those of a module that is "
            "registered under two names twice: build the optimizer from unique_parameters(model->parameters())",
            name->second);
      optimized.emplace_back(name->second, parameter);
    }
  }
  return optimized;
}

}  // namespace detail

/// "AdamW", "Adam" or "SGD". Throws `Error` for another optimizer, whose state pam cannot save.
inline std::string optimizer_name(const torch::optim::Optimizer& optimizer) {
  std::string name;
  detail::with_state_type(optimizer, [&](auto state) {
    using State = decltype(state);
    name = std::is_same_v<State, torch::optim::AdamWParamState>  ? "AdamW"
           : std::is_same_v<State, torch::optim::AdamParamState> ? "Adam"
                                                                 : "SGD";
  });
  return name;
}

namespace detail {

template <typename State>
using OptionsOf = std::conditional_t<std::is_same_v<State, torch::optim::AdamWParamState>, torch::optim::AdamWOptions,
                                     std::conditional_t<std::is_same_v<State, torch::optim::AdamParamState>,
                                                        torch::optim::AdamOptions, torch::optim::SGDOptions>>;

/// What `set_lr` does not change, of one group.
template <typename Options>
nlohmann::json group_options(const torch::optim::OptimizerParamGroup& group) {
  const auto& options = static_cast<const Options&>(group.options());
  if constexpr (std::is_same_v<Options, torch::optim::SGDOptions>) {
    return {{"momentum", options.momentum()},
            {"dampening", options.dampening()},
            {"weight_decay", options.weight_decay()},
            {"nesterov", options.nesterov()}};
  } else {
    return {{"beta1", std::get<0>(options.betas())},
            {"beta2", std::get<1>(options.betas())},
            {"epsilon", options.eps()},
            {"weight_decay", options.weight_decay()},
            {"amsgrad", options.amsgrad()}};
  }
}

}  // namespace detail

/// Every group's options but the learning rate.
inline nlohmann::json optimizer_options(const torch::optim::Optimizer& optimizer) {
  auto groups = nlohmann::json::array();
  detail::with_state_type(optimizer, [&](auto state) {
    using Options = detail::OptionsOf<decltype(state)>;
    for (const auto& group : optimizer.param_groups()) groups.push_back(detail::group_options<Options>(group));
  });
  return groups;
}

/// The state as tensors "<parameter>.exp_avg", "<parameter>.exp_avg_sq", "<parameter>.step" (int64), …; parameters that
/// never had a gradient have none. `parameters` are the model's, by name, the very tensors the optimizer holds.
/// Throws `Error` where the optimizer holds a parameter that is not among them.
inline StateDict optimizer_state(torch::optim::Optimizer& optimizer, const StateDict& parameters) {
  StateDict saved;
  const auto optimized = detail::optimized_parameters(optimizer, parameters);
  detail::with_state_type(optimizer, [&](auto type) {
    using State = decltype(type);
    for (const auto& item : optimized) {
      const auto& name = item.first;
      const auto found = optimizer.state().find(detail::optimizer_key(item.second));
      if (found == optimizer.state().end()) continue;
      detail::visit_state<State>(static_cast<State&>(*found->second), [&](const char* field, torch::Tensor& value) {
        if (value.defined()) saved.emplace_back(name + "." + field, value.detach());
      });
    }
  });
  return saved;
}

/// Puts `saved` (from `optimizer_state`) into `optimizer`, in place of what it had. Everything is compared first: an
/// entry whose shape is not its parameter's, or that belongs to no parameter, throws `Error` that starts with `where`
/// and names the parameter and both shapes; the optimizer is then untouched.
inline void restore_optimizer_state(torch::optim::Optimizer& optimizer, const StateDict& parameters,
                                    const StateDict& saved, const std::string& where) {
  std::map<std::string, torch::Tensor> entries(saved.begin(), saved.end());
  std::map<std::string, std::set<std::string>> fields_of;
  for (const auto& [name, tensor] : entries) {
    const auto dot = name.rfind('.');
    if (dot != std::string::npos) fields_of[name.substr(0, dot)].insert(name.substr(dot + 1));
  }
  const auto optimized = detail::optimized_parameters(optimizer, parameters);
  detail::with_state_type(optimizer, [&](auto type) {
    using State = decltype(type);
    detail::OptimizerStates restored;
    std::set<const void*> amsgrad;
    for (const auto& group : optimizer.param_groups()) {
      if (!detail::group_options<detail::OptionsOf<State>>(group).value("amsgrad", false)) continue;
      for (const auto& parameter : group.params()) amsgrad.insert(parameter.unsafeGetTensorImpl());
    }
    for (const auto& item : optimized) {
      const auto& owner = item.first;
      const auto& target = item.second;
      if (fields_of.count(owner) == 0) continue;
      auto state = std::make_unique<State>();
      detail::visit_state<State>(*state, [&](const char* field, torch::Tensor& value) {
        const auto entry = entries.find(owner + "." + field);
        const bool optional =
            std::string(field) == "max_exp_avg_sq" && amsgrad.count(target.unsafeGetTensorImpl()) == 0;
        if (entry == entries.end() && optional) return;
        check(entry != entries.end(),
              "{}: the optimizer state of parameter '{}' lacks {}; resume with the optimizer (and amsgrad) that the "
              "checkpoint was made with",
              where, detail::printable(owner), field);
        const auto& got = entry->second;
        const bool step = std::string(field) == "step";
        check(step ? got.numel() == 1 && got.scalar_type() == torch::kInt64 : got.sizes() == target.sizes(),
              "{}: {} of the optimizer for parameter '{}' has shape {}, but the parameter has shape {}; resume with "
              "the net that the checkpoint was made with",
              where, field, detail::printable(owner), shape_string(got), shape_string(target));
        value = step ? got.clone() : torch::empty_like(target, target.options().requires_grad(false)).copy_(got);
        entries.erase(entry);
      });
      restored[detail::optimizer_key(target)] = std::move(state);
    }
    for (const auto& [name, tensor] : entries) {
      fail(
          "{}: the optimizer state '{}' of shape {} belongs to no parameter of this optimizer; resume with the net and "
          "optimizer that the checkpoint was made with",
          where, detail::printable(name), shape_string(tensor));
    }
    optimizer.state() = std::move(restored);
  });
}

}  // namespace pam
