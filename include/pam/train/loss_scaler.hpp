// SPDX-License-Identifier: MIT
/// `LossScaler`: keeps float16 gradients above the smallest number that float16 has. The loss is multiplied before the
/// backward pass and the gradients divided after it; a step whose gradients overflowed is skipped and the scale halved.
/// Constants as in PyTorch's GradScaler (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740, section 3.2).
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/unique_parameters.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace pam {

struct LossScalerOptions {
  double initial_scale = 65536;  ///< 2^16
  double growth = 2;             ///< the scale's factor after `growth_interval` good steps in a row
  double backoff = 0.5;          ///< its factor after a skipped step
  std::int64_t growth_interval = 2000;
};

/// The order within a step: `scale(loss)`, backward, [average over processes], `unscale(gradients)`, [clip], the
/// optimizer's step if they were finite, `update(finite)`. The factors are powers of two, so that scaling and unscaling
/// do not round. Processes that average their gradients see the same ones, so they skip together.
class LossScaler {
 public:
  /// Throws `Error` unless initial_scale, growth and backoff are powers of two, growth > 1 > backoff > 0.
  explicit LossScaler(const LossScalerOptions& options = {}) : options_(options), scale_(options.initial_scale) {
    check(power_of_two(options.initial_scale) && power_of_two(options.growth) && power_of_two(options.backoff) &&
              options.growth > 1 && options.backoff < 1 && options.growth_interval > 0,
          "LossScaler: initial_scale, growth (> 1) and backoff (< 1) must be powers of two and growth_interval "
          "positive, got {}, {}, {} and {}",
          options.initial_scale, options.growth, options.backoff, options.growth_interval);
  }

  /// loss * factor(), in the loss's own type; gradients flow through.
  [[nodiscard]] torch::Tensor scale(const torch::Tensor& loss) const { return loss * scale_; }

  /// Divides the gradients of `parameters` by factor(). True where all of them are finite; otherwise the step must be
  /// left out. One reading from the device, whatever their number.
  [[nodiscard]] bool unscale(const std::vector<torch::Tensor>& parameters) const {
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> gradients;
    for (const auto& parameter : unique_parameters(parameters)) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
    if (gradients.empty()) return true;
    const auto numbers = gradients.front().options().dtype(torch::kFloat).requires_grad(false);
    auto found = torch::zeros({1}, numbers);
    if (PAM_TORCH_AT_LEAST(2, 4) || gradients.front().is_cuda()) {  // LibTorch 1.13 has it only for CUDA
      at::_amp_foreach_non_finite_check_and_unscale_(gradients, found, torch::full({1}, 1 / scale_, numbers));
    } else {
      for (auto& gradient : gradients) {
        gradient.mul_(1 / scale_);
        found += torch::isfinite(gradient).all().logical_not();
      }
    }
    return found.item<float>() == 0;
  }

  /// After each step: `finite` is what `unscale` said.
  void update(bool finite) {
    if (!finite) {
      scale_ = scale_ * options_.backoff;
      good_steps_ = 0;
    } else if (++good_steps_ >= options_.growth_interval) {
      scale_ = scale_ * options_.growth;
      good_steps_ = 0;
    }
  }

  /// The current factor of the loss.
  [[nodiscard]] double factor() const { return scale_; }
  /// True if the factor is so small that only gradients that are already not finite can still overflow.
  [[nodiscard]] bool exhausted() const { return scale_ <= std::ldexp(1.0, -14); }
  /// Steps since the scale last changed.
  [[nodiscard]] std::int64_t good_steps() const { return good_steps_; }
  /// Restores the state from a checkpoint. Throws `Error` for values that a scaler cannot have.
  void restore(double factor, std::int64_t good_steps) {
    check(power_of_two(factor) && good_steps >= 0,
          "LossScaler: a scale of {} after {} good steps cannot be; the checkpoint is damaged", factor, good_steps);
    scale_ = factor;
    good_steps_ = good_steps;
  }

 private:
  static bool power_of_two(double value) {
    int exponent = 0;
    return std::isfinite(value) && value > 0 && std::frexp(value, &exponent) == 0.5;
  }

  LossScalerOptions options_;
  double scale_;
  std::int64_t good_steps_ = 0;
};

}  // namespace pam
