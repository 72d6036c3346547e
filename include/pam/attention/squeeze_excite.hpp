// SPDX-License-Identifier: MIT
/// Squeeze-and-excitation (SE): "Squeeze-and-Excitation Networks", Hu, Shen, Sun, CVPR 2018,
/// https://arxiv.org/abs/1709.01507. The mean of each channel decides how much of the channel passes.
///
///     Y = X * A (+ X),   A = sigmoid(W2 relu(W1 mean_HW(X)))
///
///     X --+--> mean --> 1x1 to C/r --> ReLU --> 1x1 to C --> sigmoid --> A --+
///         +-----------------------------------------------------------------(*)--(+ X)--> Y
#pragma once

#include <pam/attention/detail/reduction.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>
#include <pam/kernels/gate.hpp>

namespace pam {

struct SqueezeExciteOptions {
  SqueezeExciteOptions() = default;
  explicit SqueezeExciteOptions(std::int64_t channels) : channels_(channels) {}
  TORCH_ARG(std::int64_t, channels) = 0;
  /// The bottleneck has max(1, channels / reduction) channels. Default: 8.
  TORCH_ARG(std::int64_t, reduction) = 8;
  /// Biases of the two 1x1 convolutions.
  TORCH_ARG(bool, bias) = false;
  /// Y = X * A + X; false: Y = X * A.
  TORCH_ARG(bool, residual) = true;

 public:  // TORCH_ARG ends in private:
  /// As the paper's authors built it. The default.
  SqueezeExciteOptions& paper() { return reduction(8).bias(false).residual(true); }
  /// As Hu et al. released it, https://github.com/hujie-frank/SENet.
  SqueezeExciteOptions& original() { return reduction(16).bias(true).residual(false); }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
    field("reduction", self.reduction_);
    field("bias", self.bias_);
    field("residual", self.residual_);
  }
};

/// (N, channels, H, W) -> the same shape. `forward` throws `Error` for another shape.
class SqueezeExciteImpl final : public torch::nn::Cloneable<SqueezeExciteImpl>, public Inspectable {
 public:
  using Options = SqueezeExciteOptions;

  explicit SqueezeExciteImpl(const SqueezeExciteOptions& options_) : options(options_) { reset(); }

  void reset() override {
    const auto inner = detail::reduced_channels(options.channels(), options.reduction(), "SqueezeExcite");
    squeeze = this->register_module(
        "squeeze", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.channels(), inner, 1).bias(options.bias())));
    expand = this->register_module(
        "expand", torch::nn::Conv2d(torch::nn::Conv2dOptions(inner, options.channels(), 1).bias(options.bias())));
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.channels(), "SqueezeExcite");
    const auto logits = expand(torch::relu(squeeze(torch::adaptive_avg_pool2d(input, {1, 1}))));
    const auto output = kernels::reference::gate(input, logits, options.residual());
    if (inspecting()) keep(torch::sigmoid(logits), input, output);
    return output;
  }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "SqueezeExcite", options, 1); }

  SqueezeExciteOptions options;
  torch::nn::Conv2d squeeze{nullptr}, expand{nullptr};
};

PAM_MODULE(SqueezeExcite);

}  // namespace pam
