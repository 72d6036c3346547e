// SPDX-License-Identifier: MIT
/// `PAM_MODULE(Foo)`: LibTorch's `TORCH_MODULE(Foo)` with clear compiler errors. LibTorch's holders accept any
/// arguments and fail deep inside its headers; these say, in one sentence, that a module is built from its options:
///
///     pam::ConvBlock block(3, 64);                          // pam: ConvBlock is built from its options; write ...
///     pam::ConvBlock block(pam::ConvBlockOptions(3, 64));   // right
#pragma once

#include <pam/core/torch.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace pam::detail {

/// `Contained` built from `args`; null if it has no such constructor, which the holder's assertion then reports.
template <typename Contained, typename... Args>
std::shared_ptr<Contained> make_contained(Args&&... args) {
  if constexpr (std::is_constructible_v<Contained, Args...>) {
    return std::make_shared<Contained>(std::forward<Args>(args)...);
  } else {
    return nullptr;
  }
}

/// Whether these are arguments for the contained module, not one holder to be copied or moved.
template <typename Contained, typename Head, typename... Tail>
using for_contained_t =
    std::enable_if_t<sizeof...(Tail) != 0 || !torch::detail::is_module_holder_of<Head, Contained>::value>;

}  // namespace pam::detail

/// The constructors of `torch::nn::ModuleHolder` for the class `Name`, which has the alias `Impl` and derives from
/// `torch::nn::ModuleHolder<Impl>`. `options` is how its options are written, as a string.
#define PAM_MODULE_CONSTRUCTORS(Name, options)                                                               \
  Name() = default;                                                                                          \
  Name(std::nullptr_t) : torch::nn::ModuleHolder<Impl>(nullptr) {}                                           \
  Name(std::shared_ptr<Impl> module) : torch::nn::ModuleHolder<Impl>(std::move(module)) {}                   \
  template <typename Head, typename... Tail, typename = ::pam::detail::for_contained_t<Impl, Head, Tail...>> \
  explicit Name(Head&& head, Tail&&... tail)                                                                 \
      : Name(::pam::detail::make_contained<Impl>(std::forward<Head>(head), std::forward<Tail>(tail)...)) {   \
    static_assert(std::is_constructible_v<Impl, Head, Tail...>,                                              \
                  "pam: " #Name " is built from its options; write " #Name "(" options "(...))");            \
  }

/// The holder `Name` of `NameImpl`, which is built from `NameOptions`.
#define PAM_MODULE(Name)                                    \
  class Name : public torch::nn::ModuleHolder<Name##Impl> { \
   public:                                                  \
    using Impl = Name##Impl;                                \
    PAM_MODULE_CONSTRUCTORS(Name, #Name "Options")          \
  }
