// SPDX-License-Identifier: MIT
/// The definitions of optimizer.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/unique_parameters.hpp>
#include <pam/train/optimizer.hpp>

#include <cmath>
#include <tuple>
#include <utility>

namespace pam {

PAM_FUNC void check_optimizer(const OptimizerOptions& options) {
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

namespace detail {

PAM_FUNC FusedAdamW adamw_over(const std::vector<torch::Tensor>& parameters, const OptimizerOptions& options) {
  check_optimizer(options);
  std::vector<torch::Tensor> trained;
  for (const auto& parameter : unique_parameters(parameters)) {
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  check(!trained.empty(), "optimizer: the model has no parameter that requires a gradient; is all of it frozen?");
  return FusedAdamW(std::move(trained), torch::optim::AdamWOptions(options.learning_rate)
                                            .weight_decay(options.weight_decay)
                                            .betas(std::make_tuple(options.beta1, options.beta2))
                                            .eps(options.epsilon));
}

}  // namespace detail
}  // namespace pam
