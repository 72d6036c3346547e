// SPDX-License-Identifier: MIT
/// The options of the paper's optimizer, and `make_adamw`.
/// `fit` takes any of LibTorch's AdamW, Adam and SGD; this is the recipe's default.
#pragma once

#include <pam/core/config.hpp>
#include <pam/train/fused_adamw.hpp>

#include <vector>

namespace pam {

/// AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101). Weight decay is the released code's;
/// LibTorch's own default is 1e-2.
struct OptimizerOptions {
  double learning_rate = 1e-3;
  double weight_decay = 1e-5;
  double beta1 = 0.9;    ///< decay of the mean of the gradients
  double beta2 = 0.999;  ///< decay of the mean of their squares
  double epsilon = 1e-8;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("weight_decay", self.weight_decay);
    field("beta1", self.beta1);
    field("beta2", self.beta2);
    field("epsilon", self.epsilon);
  }
};

/// Throws `Error` for options out of range, naming them.
void check_optimizer(const OptimizerOptions& options);

namespace detail {

/// AdamW over those of `parameters` that require a gradient, each once.
FusedAdamW adamw_over(const std::vector<torch::Tensor>& parameters, const OptimizerOptions& options);

}  // namespace detail

/// AdamW over the parameters of `model` that require a gradient, in registration order. Throws `Error` for options out
/// of range and for a model without such parameters. Example: `auto optimizer = make_adamw(net);`
template <typename Model>
FusedAdamW make_adamw(const Model& model, const OptimizerOptions& options = {}) {
  return detail::adamw_over(model->parameters(), options);
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/optimizer-inl.hpp>
#endif
