// SPDX-License-Identifier: MIT
/// `Reversible`, and `reversed_of`: whether a net learns reversed labels (RFNA: 1 - label, prediction p < 0.5).
/// Loading, saving and prediction ask every net, so that no mask comes out inverted.
#pragma once

#include <pam/core/torch.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace pam {

/// Base of nets that declare it, so that functions that see only a `torch::nn::Module` can ask too. `UNet` derives from
/// it; a net of your own may do so, or have `reversed()` or `options.reversed()`.
class Reversible {
 public:
  /// The net learns 1 - label.
  [[nodiscard]] virtual bool reversed() const = 0;

 protected:
  Reversible() = default;
  Reversible(const Reversible&) = default;
  Reversible(Reversible&&) = default;
  Reversible& operator=(const Reversible&) = default;
  Reversible& operator=(Reversible&&) = default;
  ~Reversible() = default;
};

namespace detail {

template <typename Net, typename = void>
struct asks_reversed : std::false_type {};
template <typename Net>
struct asks_reversed<Net, std::void_t<decltype(std::declval<Net&>().reversed())>> : std::true_type {};

template <typename Net, typename = void>
struct asks_reversed_option : std::false_type {};
template <typename Net>
struct asks_reversed_option<Net, std::void_t<decltype(std::declval<Net&>().options.reversed())>> : std::true_type {};

/// `answer` as a bool. Anything else that converts to bool, such as an optional or a number, is refused: it could mean
/// something other than "reversed".
template <typename Answer>
bool checked_reversed(const Answer& answer) {
  static_assert(std::is_same_v<Answer, bool>,
                "pam: reversed() of a net, or of its options, must return bool: whether it learns 1 - label");
  return answer;
}

/// A module holder, `Network`, or a shared pointer to a module.
template <typename Net, typename = void>
struct points_to_module : std::false_type {};
template <typename Net>
struct points_to_module<Net, std::void_t<decltype(*std::declval<const Net&>())>>
    : std::is_base_of<torch::nn::Module, std::decay_t<decltype(*std::declval<const Net&>())>> {};

template <typename Net>
constexpr bool is_net = std::is_base_of_v<torch::nn::Module, Net> || points_to_module<Net>::value;

/// What `module` itself declares, or what all `Reversible` modules in it agree on.
inline std::optional<bool> reversed_of_module(const torch::nn::Module& module) {
  if (const auto* self = dynamic_cast<const Reversible*>(&module)) return self->reversed();
  std::optional<bool> found;
  for (const auto& child : module.children()) {
    const auto said = reversed_of_module(*child);
    if (said && found && *said != *found) return std::nullopt;
    if (said) found = said;
  }
  return found;
}

/// The module that `net` is or refers to.
template <typename Net>
torch::nn::Module& module_of(Net& net) {
  static_assert(is_net<std::remove_const_t<Net>>,
                "pam: a net is a torch::nn::Module, a module holder (TORCH_MODULE), or pam::Network");
  if constexpr (std::is_base_of_v<torch::nn::Module, Net>) {
    return net;
  } else {
    return *net;
  }
}
template <typename Net>
const torch::nn::Module& const_module_of(const Net& net) {
  static_assert(is_net<Net>, "pam: a net is a torch::nn::Module, a module holder (TORCH_MODULE), or pam::Network");
  if constexpr (std::is_base_of_v<torch::nn::Module, Net>) {
    return net;
  } else {
    return *net;
  }
}

}  // namespace detail

/// Whether `net`, a module, module holder or `Network`, learns reversed labels; empty if it does not say. Asked in this
/// order: `reversed()`, `options.reversed()`, `Reversible`, and the `Reversible` modules in it if they agree.
template <typename Net>
[[nodiscard]] std::optional<bool> reversed_of(const Net& net) {
  if constexpr (detail::asks_reversed<Net>::value) {
    return detail::checked_reversed(net.reversed());
  } else if constexpr (detail::asks_reversed_option<Net>::value) {
    return detail::checked_reversed(net.options.reversed());
  } else if constexpr (std::is_base_of_v<torch::nn::Module, Net>) {
    return detail::reversed_of_module(net);
  } else if constexpr (detail::points_to_module<Net>::value) {
    return reversed_of(*net);
  } else {
    return std::nullopt;
  }
}

}  // namespace pam
