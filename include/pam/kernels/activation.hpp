// SPDX-License-Identifier: MIT
/// Activation: what a layer hands to the next one. In inference its norm and ReLU, or its upsampling and concatenation,
/// may still have to be computed: a convolution can do so while it reads, which saves a pass over memory.
#pragma once

#include <pam/kernels/backend.hpp>

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace pam::kernels {

/// The parameters of an affine instance norm: weight and bias (C).
struct InstanceNorm {
  torch::Tensor weight, bias;
  double eps = 1e-5;
};

/// An activation (N, C, H, W) in one of three forms: a tensor; relu(instance_norm(x)) of a tensor x; or
/// [upsample(deep), skip] of two activations. `tensor()` computes it and is the only place that does; most readers call
/// it, kernels that compute the activation while they read take its parts. Copies share one activation, so that it is
/// computed once. Not for several threads at a time.
class Activation {
 public:
  struct Parts;

  Activation() = default;

  /// A tensor. (Implicit: a tensor is an activation.)
  Activation(const torch::Tensor& x);

  /// relu(instance_norm(x)). Without gradients the result is written into x's memory where nobody else sees that.
  Activation(torch::Tensor x, const InstanceNorm& norm, Backend backend);

  /// [upsample(deep), skip] along the channels: deep (N, D, h, w), bilinear with align_corners=true to the size of skip
  /// (N, S, H, W).
  Activation(const Activation& deep, const Activation& skip, Backend backend);

  /// The activation itself. Later calls return the same tensor. Undefined for `Activation()`.
  [[nodiscard]] const torch::Tensor& tensor() const;

  /// (N, C, H, W); empty for an undefined tensor.
  [[nodiscard]] std::vector<std::int64_t> sizes() const;

  /// Whether another copy may still ask for it.
  [[nodiscard]] bool shared() const { return parts_.use_count() > 1; }

  /// For kernels; not of `Activation()`.
  [[nodiscard]] Parts& parts() const { return *parts_; }

 private:
  std::shared_ptr<Parts> parts_;
};

/// What an activation is or is to be computed from.
struct Activation::Parts {
  torch::Tensor x;        ///< the tensor, or what the norm reads; undefined in the third form
  InstanceNorm norm;      ///< its weight is undefined in the other forms
  torch::Tensor table;    ///< of the norm, where it is known: relu(x * scale + shift), (N, 2, C)
  Activation deep, skip;  ///< of the third form
  Backend backend = Backend::Reference;
};

/// `module` run on activations: by its method `forward_activation`, which takes as many and returns one, or, where it
/// has none, by `forward` on their tensors.
template <typename Module, typename... Activations>
Activation forward_activation(Module& module, const Activations&... inputs);

/// The attention gate: F * sigmoid(logits) (+ F), F and logits (N, C, H, W). F's norm and ReLU are computed with it.
torch::Tensor gate(Activation features, const torch::Tensor& logits, bool identity, Backend backend);

namespace detail {

template <typename Impl, typename Inputs, typename = void>
struct takes_activations : std::false_type {};
template <typename Impl, typename... Inputs>
struct takes_activations<
    Impl, std::tuple<Inputs...>,
    std::void_t<decltype(std::declval<Impl&>().forward_activation(std::declval<const Inputs&>()...))>>
    : std::true_type {};

}  // namespace detail

template <typename Module, typename... Activations>
Activation forward_activation(Module& module, const Activations&... inputs) {
  if constexpr (detail::takes_activations<typename Module::Impl, std::tuple<Activations...>>::value) {
    return module->forward_activation(inputs...);
  } else {
    return module(inputs.tensor()...);
  }
}

}  // namespace pam::kernels

#ifndef PAM_COMPILED
#include <pam/kernels/activation-inl.hpp>
#endif
