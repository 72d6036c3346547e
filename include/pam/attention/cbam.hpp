// SPDX-License-Identifier: MIT
/// Convolutional block attention module (CBAM): Woo, Park, Lee, Kweon, ECCV 2018, https://arxiv.org/abs/1807.06521.
/// First a gate per channel, then a gate per pixel on the result.
///
///     Ac = sigmoid(M(mean_HW(X)) + M(max_HW(X))),   M = W2 relu(W1 .)
///     As = sigmoid(k * [mean_C(X Ac), max_C(X Ac)]),   Y = X Ac As (+ X)
///
///     X --+--> mean, max --> M, summed --> sigmoid --> Ac --(* X)--+--> mean, max over C --> conv --> sigmoid --> As
///         |                                                       +------------------------------------(* As)--+
///         +--------------------------------------------------------------------------------------------------(+)--> Y
#pragma once

#include <pam/attention/detail/reduction.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>

namespace pam {

struct CBAMOptions {
  CBAMOptions() = default;
  explicit CBAMOptions(std::int64_t channels) : channels_(channels) {}
  TORCH_ARG(std::int64_t, channels) = 0;
  /// The channel gate's bottleneck has max(1, channels / reduction) channels. Default: 16.
  TORCH_ARG(std::int64_t, reduction) = 16;
  /// Biases of the channel gate's two 1x1 convolutions.
  TORCH_ARG(bool, bias) = false;
  /// Side of the spatial gate's kernel, odd. Default: 3.
  TORCH_ARG(std::int64_t, kernel_size) = 3;
  /// Batch norm (momentum 0.01) between the spatial convolution and its sigmoid.
  TORCH_ARG(bool, spatial_norm) = false;
  /// The spatial convolution reads [max, mean] over the channels; false: [mean, max].
  TORCH_ARG(bool, max_first) = false;
  /// Y = X Ac As + X; false: Y = X Ac As.
  TORCH_ARG(bool, residual) = true;

 public:  // TORCH_ARG ends in private:
  /// As the paper's authors built it. The default.
  CBAMOptions& paper() {
    return reduction(16).bias(false).kernel_size(3).spatial_norm(false).max_first(false).residual(true);
  }
  /// As Woo et al. released it, https://github.com/Jongchan/attention-module (the block around it adds X there).
  CBAMOptions& original() {
    return reduction(16).bias(true).kernel_size(7).spatial_norm(true).max_first(true).residual(false);
  }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
    field("reduction", self.reduction_);
    field("bias", self.bias_);
    field("kernel_size", self.kernel_size_);
    field("spatial_norm", self.spatial_norm_);
    field("max_first", self.max_first_);
    field("residual", self.residual_);
  }
};

/// (N, channels, H, W) -> the same shape. Throws `Error` for an even `kernel_size`; `forward` for another shape.
class CBAMImpl final : public torch::nn::Cloneable<CBAMImpl>, public Inspectable {
 public:
  using Options = CBAMOptions;

  explicit CBAMImpl(const CBAMOptions& options_) : options(options_) { reset(); }

  void reset() override {
    const auto channels = options.channels(), kernel = options.kernel_size();
    const auto inner = detail::reduced_channels(channels, options.reduction(), "CBAM");
    check(kernel > 0 && kernel % 2 == 1, "CBAM: kernel_size must be odd and positive, got {}", kernel);
    squeeze = this->register_module(
        "squeeze", torch::nn::Conv2d(torch::nn::Conv2dOptions(channels, inner, 1).bias(options.bias())));
    expand = this->register_module(
        "expand", torch::nn::Conv2d(torch::nn::Conv2dOptions(inner, channels, 1).bias(options.bias())));
    spatial = this->register_module(
        "spatial", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 1, kernel).padding(kernel / 2).bias(false)));
    norm = nullptr;
    if (options.spatial_norm()) {
      norm = this->register_module("norm",
                                   torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(1).eps(1e-5).momentum(0.01)));
    }
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.channels(), "CBAM");
    const auto by_channel = torch::sigmoid(mix(torch::adaptive_avg_pool2d(input, {1, 1})) +
                                           mix(std::get<0>(torch::adaptive_max_pool2d(input, {1, 1}))));
    const auto passed = input * by_channel;
    const auto by_pixel = torch::sigmoid(spatial_logits(passed));
    const auto gated = by_pixel * passed;
    const auto output = options.residual() ? gated + input : gated;
    if (inspecting()) keep(by_channel * by_pixel, input, output);
    return output;
  }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "CBAM", options, 1); }

  CBAMOptions options;
  torch::nn::Conv2d squeeze{nullptr}, expand{nullptr}, spatial{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};  ///< null without `spatial_norm`

 private:
  torch::Tensor mix(const torch::Tensor& pooled) { return expand(torch::relu(squeeze(pooled))); }

  torch::Tensor spatial_logits(const torch::Tensor& x) {
    const auto mean = x.mean(1, /*keepdim=*/true);
    const auto max = std::get<0>(x.max(1, /*keepdim=*/true));
    const auto &first = options.max_first() ? max : mean, &second = options.max_first() ? mean : max;
    // cat would make channels-last maps contiguous: a map of one channel does not show its layout.
    const bool pixels = is_channels_last(x);
    const auto logits = spatial(
        pixels ? torch::cat({first.permute({0, 2, 3, 1}), second.permute({0, 2, 3, 1})}, 3).permute({0, 3, 1, 2})
               : torch::cat({first, second}, 1));
    return norm.is_empty() ? logits : norm(logits);
  }
};

PAM_MODULE(CBAM);

}  // namespace pam
