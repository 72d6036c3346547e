// SPDX-License-Identifier: MIT
/// The paper's optimizer as plain options, and the AdamW that they make.
/// `fit` takes any of LibTorch's AdamW, Adam and SGD; this is the recipe's default.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/options_json.hpp>
#include <pam/core/unique_parameters.hpp>
#include <pam/train/fused_adamw.hpp>

#include <cmath>
#include <tuple>
#include <utility>
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
inline void check_optimizer(const OptimizerOptions& options) {
  const auto in_unit = [](double value) { return value >= 0 && value < 1; };
  check(options.learning_rate > 0 && std::isfinite(options.learning_rate),
        "optimizer: learning_rate must be positive, got {}", options.learning_rate);
  check(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
        "optimizer: weight_decay must not be negative, got {}", options.weight_decay);
  check(in_unit(options.beta1) && in_unit(options.beta2),
        "optimizer: beta1 and beta2 must be at least 0 and below 1, got {} and {}", options.beta1, options.beta2);
  check(options.epsilon > 0 && std::isfinite(options.epsilon), "optimizer: epsilon must be positive, got {}",
        options.epsilon);
}

/// AdamW over the parameters of `model` that require a gradient, in registration order. Throws `Error` for options out
/// of range and for a model without such parameters. Example: `auto optimizer = make_adamw(net);`
template <typename Model>
FusedAdamW make_adamw(const Model& model, const OptimizerOptions& options = {}) {
  check_optimizer(options);
  std::vector<torch::Tensor> trained;
  for (const auto& parameter : unique_parameters(model->parameters())) {
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  check(!trained.empty(), "optimizer: the model has no parameter that requires a gradient; is all of it frozen?");
  return FusedAdamW(std::move(trained), torch::optim::AdamWOptions(options.learning_rate)
                                            .weight_decay(options.weight_decay)
                                            .betas(std::make_tuple(options.beta1, options.beta2))
                                            .eps(options.epsilon));
}

}  // namespace pam
