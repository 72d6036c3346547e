// SPDX-License-Identifier: MIT
/// Global context (GC): "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", Cao, Xu, Lin, Wei, Hu,
/// ICCVW 2019, https://arxiv.org/abs/1904.11492. An attention-weighted mean of all pixels acts on each pixel.
///
///     c = sum_p softmax_p(m X)_p X_p,   t = W2 relu(norm(W1 c)),   Y = X * t + X  or  X * sigmoid(t) (+ X)  or  X + t
///
///     X --+--> 1x1 to 1 --> softmax over pixels --(mean of X)--> 1x1 to C/r --> norm --> ReLU --> 1x1 to C --> t
///         +----------------------------------------------------------------------------------------(* t or + t)--> Y
///
/// The paper's authors normalise the 1x1 context with an instance norm, which returns its bias whatever the input is
/// (Python's PyTorch refuses it); so `paper()` has the original's layer norm there and is theirs otherwise.
#pragma once

#include <pam/attention/detail/reduction.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>

namespace pam {

/// The norm of GC's bottleneck, (N, C / r, 1, 1).
enum class ContextNorm {
  Layer,     ///< over the bottleneck's channels; left out where there is only one, which it would erase
  None,      ///< none
  Instance,  ///< refused: of a 1x1 map it is a constant
};
inline const char* to_string(ContextNorm value) {
  return value == ContextNorm::Layer ? "layer" : value == ContextNorm::None ? "none" : "instance";
}
inline const char* option_names(ContextNorm) { return "\"layer\" or \"none\""; }
inline bool from_string(const std::string& name, ContextNorm& value) {
  if (name != "layer" && name != "none" && name != "instance") return false;
  value = name == "layer" ? ContextNorm::Layer : name == "none" ? ContextNorm::None : ContextNorm::Instance;
  return true;
}

/// How GC's transformed context t (N, C, 1, 1) acts on X.
enum class ContextFusion {
  Multiply,  ///< X * t
  Scale,     ///< X * sigmoid(t)
  Add,       ///< X + t, which contains X: `residual` does nothing more
};
inline const char* to_string(ContextFusion value) {
  return value == ContextFusion::Multiply ? "multiply" : value == ContextFusion::Scale ? "scale" : "add";
}
inline const char* option_names(ContextFusion) { return "\"multiply\", \"scale\" or \"add\""; }
inline bool from_string(const std::string& name, ContextFusion& value) {
  if (name != "multiply" && name != "scale" && name != "add") return false;
  value = name == "multiply" ? ContextFusion::Multiply : name == "scale" ? ContextFusion::Scale : ContextFusion::Add;
  return true;
}

struct GlobalContextOptions {
  GlobalContextOptions() = default;
  explicit GlobalContextOptions(std::int64_t channels) : channels_(channels) {}
  TORCH_ARG(std::int64_t, channels) = 0;
  /// The bottleneck has max(1, channels / reduction) channels. Default: 8.
  TORCH_ARG(std::int64_t, reduction) = 8;
  /// Biases of the three 1x1 convolutions.
  TORCH_ARG(bool, bias) = false;
  TORCH_ARG(ContextNorm, norm) = ContextNorm::Layer;
  TORCH_ARG(ContextFusion, fusion) = ContextFusion::Multiply;
  /// Adds X to a product.
  TORCH_ARG(bool, residual) = true;
  /// The last convolution starts at zero, so that the block starts as the identity (with `Add` or `residual`).
  TORCH_ARG(bool, zero_init) = false;
  /// The pixel weights' convolution starts with Kaiming's normal distribution (fan in).
  TORCH_ARG(bool, kaiming_init) = false;

 public:  // TORCH_ARG ends in private:
  /// As the paper's authors built it, but for the norm (see above). The default.
  GlobalContextOptions& paper() {
    return reduction(8)
        .bias(false)
        .norm(ContextNorm::Layer)
        .fusion(ContextFusion::Multiply)
        .residual(true)
        .zero_init(false)
        .kaiming_init(false);
  }
  /// As Cao et al. released it, https://github.com/xvjiarui/GCNet.
  GlobalContextOptions& original() {
    return reduction(16)
        .bias(true)
        .norm(ContextNorm::Layer)
        .fusion(ContextFusion::Add)
        .residual(false)
        .zero_init(true)
        .kaiming_init(true);
  }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
    field("reduction", self.reduction_);
    field("bias", self.bias_);
    field("norm", self.norm_);
    field("fusion", self.fusion_);
    field("residual", self.residual_);
    field("zero_init", self.zero_init_);
    field("kaiming_init", self.kaiming_init_);
  }
};

/// (N, channels, H, W) -> the same shape. Its record holds the pixel weights (N, 1, H, W), which sum to 1.
/// Throws `Error` for `ContextNorm::Instance`; `forward` for another shape.
class GlobalContextImpl final : public torch::nn::Cloneable<GlobalContextImpl>, public Inspectable {
 public:
  using Options = GlobalContextOptions;

  explicit GlobalContextImpl(const GlobalContextOptions& options_) : options(options_) { reset(); }

  void reset() override {
    check(options.norm() != ContextNorm::Instance,
          "GlobalContext: an instance norm of the 1x1 context returns its bias whatever the input is, so nothing could "
          "be learnt; use norm=layer (as GCNet does) or norm=none");
    const auto channels = options.channels();
    const auto inner = detail::reduced_channels(channels, options.reduction(), "GlobalContext");
    const auto conv = [&](std::int64_t in, std::int64_t out) {
      return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 1).bias(options.bias()));
    };
    mask = this->register_module("mask", conv(channels, 1));
    squeeze = this->register_module("squeeze", conv(channels, inner));
    norm = nullptr;
    if (options.norm() == ContextNorm::Layer && inner > 1) {
      norm = this->register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({inner, 1, 1})));
    }
    expand = this->register_module("expand", conv(inner, channels));
    if (options.kaiming_init()) torch::nn::init::kaiming_normal_(mask->weight, 0.0, torch::kFanIn, torch::kReLU);
    if (options.zero_init()) {
      torch::nn::init::zeros_(expand->weight);
      if (options.bias()) torch::nn::init::zeros_(expand->bias);
    }
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.channels(), "GlobalContext");
    const auto weights = torch::softmax(mask(input).flatten(2), 2);  // (N, 1, HW)
    const auto context = torch::bmm(input.flatten(2), weights.transpose(1, 2)).unsqueeze(3);
    auto t = squeeze(context);
    // In the weights' type: LibTorch's layer norm on a CPU takes no bfloat16 with float32 weights.
    if (!norm.is_empty()) t = norm(t.to(norm->weight.scalar_type())).to(t.scalar_type());
    t = expand(torch::relu(t));
    if (options.fusion() == ContextFusion::Scale) t = torch::sigmoid(t);
    const bool add = options.fusion() == ContextFusion::Add;
    const auto fused = add ? input + t : t * input;
    const auto output = options.residual() && !add ? fused + input : fused;
    // The map that GC attends with; t itself is one number per channel, of either sign.
    if (inspecting()) keep(weights.view({input.size(0), 1, input.size(2), input.size(3)}), input, output);
    return output;
  }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "GlobalContext", options, 1); }

  GlobalContextOptions options;
  torch::nn::Conv2d mask{nullptr}, squeeze{nullptr}, expand{nullptr};
  torch::nn::LayerNorm norm{nullptr};  ///< null without a norm
};

PAM_MODULE(GlobalContext);

}  // namespace pam
