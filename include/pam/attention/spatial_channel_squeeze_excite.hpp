// SPDX-License-Identifier: MIT
/// Concurrent spatial and channel squeeze and excitation (scSE): Roy, Navab, Wachinger, MICCAI 2018,
/// https://arxiv.org/abs/1803.02579. One gate per channel and one per pixel, side by side.
///
///     Y = X * Ac + X * As,   Ac = sigmoid(W2 relu(W1 mean_HW(X))) (N, C, 1, 1),   As = sigmoid(w X) (N, 1, H, W)
///
///     X --+--> mean --> 1x1 to C/r --> ReLU --> 1x1 to C --> sigmoid --(* X)--+
///         |                                                                  (+ or max)--(+ X)--> Y
///         +--> 1x1 to 1 ---------------------------------> sigmoid --(* X)--+
#pragma once

#include <pam/attention/detail/reduction.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>

namespace pam {

/// How scSE joins the gated copies of its input.
enum class SqueezeFusion {
  Sum,  ///< X * Ac + X * As
  Max,  ///< the larger of the two, entry by entry
};
inline const char* to_string(SqueezeFusion value) { return value == SqueezeFusion::Sum ? "sum" : "max"; }
inline const char* option_names(SqueezeFusion) { return "\"sum\" or \"max\""; }
inline bool from_string(const std::string& name, SqueezeFusion& value) {
  if (name != "sum" && name != "max") return false;
  value = name == "sum" ? SqueezeFusion::Sum : SqueezeFusion::Max;
  return true;
}

struct SpatialChannelSqueezeExciteOptions {
  SpatialChannelSqueezeExciteOptions() = default;
  explicit SpatialChannelSqueezeExciteOptions(std::int64_t channels) : channels_(channels) {}
  TORCH_ARG(std::int64_t, channels) = 0;
  /// The channel gate's bottleneck has max(1, channels / reduction) channels. Default: 8.
  TORCH_ARG(std::int64_t, reduction) = 8;
  /// Biases of the three 1x1 convolutions.
  TORCH_ARG(bool, bias) = false;
  /// Sum or maximum of the two gated copies.
  TORCH_ARG(SqueezeFusion, fusion) = SqueezeFusion::Sum;
  /// Adds X to the result. Neither the paper's authors nor the original do.
  TORCH_ARG(bool, residual) = false;

 public:  // TORCH_ARG ends in private:
  /// As the paper's authors built it. The default.
  SpatialChannelSqueezeExciteOptions& paper() {
    return reduction(8).bias(false).fusion(SqueezeFusion::Sum).residual(false);
  }
  /// As Roy et al. released it, https://github.com/ai-med/squeeze_and_excitation.
  SpatialChannelSqueezeExciteOptions& original() {
    return reduction(2).bias(true).fusion(SqueezeFusion::Max).residual(false);
  }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
    field("reduction", self.reduction_);
    field("bias", self.bias_);
    field("fusion", self.fusion_);
    field("residual", self.residual_);
  }
};

/// (N, channels, H, W) -> the same shape. `forward` throws `Error` for another shape.
class SpatialChannelSqueezeExciteImpl final : public torch::nn::Cloneable<SpatialChannelSqueezeExciteImpl>,
                                              public Inspectable {
 public:
  using Options = SpatialChannelSqueezeExciteOptions;

  explicit SpatialChannelSqueezeExciteImpl(const SpatialChannelSqueezeExciteOptions& options_) : options(options_) {
    reset();
  }

  void reset() override {
    const auto channels = options.channels();
    const auto inner = detail::reduced_channels(channels, options.reduction(), "SpatialChannelSqueezeExcite");
    squeeze = this->register_module(
        "squeeze", torch::nn::Conv2d(torch::nn::Conv2dOptions(channels, inner, 1).bias(options.bias())));
    expand = this->register_module(
        "expand", torch::nn::Conv2d(torch::nn::Conv2dOptions(inner, channels, 1).bias(options.bias())));
    spatial = this->register_module("spatial",
                                    torch::nn::Conv2d(torch::nn::Conv2dOptions(channels, 1, 1).bias(options.bias())));
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.channels(), "SpatialChannelSqueezeExcite");
    const auto by_channel = torch::sigmoid(expand(torch::relu(squeeze(torch::adaptive_avg_pool2d(input, {1, 1})))));
    const auto by_pixel = torch::sigmoid(spatial(input));
    const bool sum = options.fusion() == SqueezeFusion::Sum;
    auto output = sum ? input * by_pixel + input * by_channel : torch::maximum(input * by_channel, input * by_pixel);
    if (options.residual()) output = output + input;
    if (inspecting()) {
      // The map A of which X * A is the fused result; a maximum picks the larger product, not the larger gate.
      const auto picked = torch::where(input * by_channel >= input * by_pixel, by_channel, by_pixel);
      keep(sum ? by_channel + by_pixel : picked, input, output);
    }
    return output;
  }

  void pretty_print(std::ostream& stream) const override {
    print_options(stream, "SpatialChannelSqueezeExcite", options, 1);
  }

  SpatialChannelSqueezeExciteOptions options;
  torch::nn::Conv2d squeeze{nullptr}, expand{nullptr}, spatial{nullptr};
};

PAM_MODULE(SpatialChannelSqueezeExcite);

}  // namespace pam
