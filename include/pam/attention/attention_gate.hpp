// SPDX-License-Identifier: MIT
/// Attention gate: "Attention U-Net: Learning Where to Look for the Pancreas", Oktay et al., MIDL 2018,
/// https://arxiv.org/abs/1804.03999. The decoder's features (the gating signal) decide which pixels of a skip pass.
///
///     a = sigmoid(norm(psi relu(norm(up(phi g)) + norm(theta s)))) (N, 1, H, W),   Y = s * a (+ s)
///
///     g --> phi 1x1 --> up to theta's size --> (norm) --+
///                                                      (+)--> ReLU --> psi 1x1 to 1 --> (norm) --> sigmoid --> a
///     s --+--> theta (stride) ---------------> (norm) --+                                                     |
///         +---------------------------------------------------------------------------------(* up(a))--(+ s)--+--> Y
///
/// phi is linear and 1x1, so it commutes with the bilinear upsampling of g; it is computed first, on fewer pixels.
#pragma once

#include <pam/attention/detail/reduction.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>
#include <pam/kernels/upsample.hpp>

namespace pam {

struct AttentionGateOptions {
  AttentionGateOptions() = default;
  AttentionGateOptions(std::int64_t gate_channels, std::int64_t skip_channels)
      : gate_channels_(gate_channels), skip_channels_(skip_channels) {}
  /// Channels of the gating signal g.
  TORCH_ARG(std::int64_t, gate_channels) = 0;
  /// Channels of the skip s.
  TORCH_ARG(std::int64_t, skip_channels) = 0;
  /// phi and theta have max(1, skip_channels / reduction) output channels. Default: 2.
  TORCH_ARG(std::int64_t, reduction) = 2;
  /// Kernel and stride of theta: 1 keeps the skip's size; above 1 the gate is coarser and a is upsampled.
  TORCH_ARG(std::int64_t, theta_stride) = 1;
  /// Bias of theta (phi and psi always have one).
  TORCH_ARG(bool, theta_bias) = true;
  /// Instance norms without weights after phi, theta and psi.
  TORCH_ARG(bool, norm) = true;
  /// Y = s * a + s; false: Y = s * a.
  TORCH_ARG(bool, residual) = true;
  /// A 1x1 convolution (bias) and a batch norm after the product.
  TORCH_ARG(bool, output) = false;
  /// All convolutions start with Kaiming's normal distribution (fan in); false: LibTorch's default.
  TORCH_ARG(bool, kaiming_init) = false;

 public:  // TORCH_ARG ends in private:
  /// As the paper's authors built it. The default.
  AttentionGateOptions& paper() {
    return reduction(2).theta_stride(1).theta_bias(true).norm(true).residual(true).output(false).kaiming_init(false);
  }
  /// As Oktay et al. released it, https://github.com/ozan-oktay/Attention-Gated-Networks.
  AttentionGateOptions& original() {
    return reduction(2).theta_stride(2).theta_bias(false).norm(false).residual(false).output(true).kaiming_init(true);
  }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("gate_channels", self.gate_channels_);
    field("skip_channels", self.skip_channels_);
    field("reduction", self.reduction_);
    field("theta_stride", self.theta_stride_);
    field("theta_bias", self.theta_bias_);
    field("norm", self.norm_);
    field("residual", self.residual_);
    field("output", self.output_);
    field("kaiming_init", self.kaiming_init_);
  }
};

/// gate (N, gate_channels, h, w), skip (N, skip_channels, H, W) -> (N, skip_channels, H, W). `forward` throws `Error`
/// for other channels, and for a skip of fewer than `theta_stride` pixels per side.
class AttentionGateImpl final : public torch::nn::Cloneable<AttentionGateImpl>, public Inspectable {
 public:
  using Options = AttentionGateOptions;

  explicit AttentionGateImpl(const AttentionGateOptions& options_) : options(options_) { reset(); }

  void reset() override {
    const auto skip = options.skip_channels(), step = options.theta_stride();
    check(options.gate_channels() > 0, "AttentionGate: gate_channels must be positive, got {}",
          options.gate_channels());
    check(step > 0, "AttentionGate: theta_stride must be positive, got {}", step);
    const auto inner = detail::reduced_channels(skip, options.reduction(), "AttentionGate");
    phi = this->register_module("phi", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.gate_channels(), inner, 1)));
    theta = this->register_module(
        "theta",
        torch::nn::Conv2d(torch::nn::Conv2dOptions(skip, inner, step).stride(step).bias(options.theta_bias())));
    psi = this->register_module("psi", torch::nn::Conv2d(torch::nn::Conv2dOptions(inner, 1, 1)));
    output = nullptr, output_norm = nullptr;
    if (options.output()) {
      output = this->register_module("output", torch::nn::Conv2d(torch::nn::Conv2dOptions(skip, skip, 1)));
      output_norm = this->register_module("output_norm", torch::nn::BatchNorm2d(skip));
    }
    if (!options.kaiming_init()) return;
    for (const auto& conv : {phi, theta, psi, output}) {
      if (!conv.is_empty()) torch::nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanIn, torch::kReLU);
    }
  }

  torch::Tensor forward(const torch::Tensor& gate, const torch::Tensor& skip) {
    const auto a = attention(gate, skip);
    auto y = skip * a;
    if (options.residual()) y = y + skip;
    if (options.output()) y = output_norm(output(y));
    if (inspecting()) keep(a, skip, y);
    return y;
  }

  /// The map a, (N, 1, H, W), in [0, 1].
  torch::Tensor attention(const torch::Tensor& gate, const torch::Tensor& skip) {
    check_nchw(gate, options.gate_channels(), "AttentionGate (gate)");
    check_nchw(skip, options.skip_channels(), "AttentionGate (skip)");
    check(skip.size(2) >= options.theta_stride() && skip.size(3) >= options.theta_stride(),
          "AttentionGate: theta_stride={} needs a skip of at least as many pixels per side, got {}",
          options.theta_stride(), shape_string(skip));
    const auto from_skip = theta(skip);
    const auto from_gate = kernels::upsample(phi(gate), from_skip.sizes().slice(2));
    const auto a = torch::sigmoid(normed(psi(torch::relu(normed(from_gate) + normed(from_skip)))));
    return kernels::upsample(a, skip.sizes().slice(2));
  }

  /// The smallest side of the skip: theta's map must have a pixel, and more than one where it is normalised.
  [[nodiscard]] std::int64_t min_size() const { return options.theta_stride() * (options.norm() ? 2 : 1); }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "AttentionGate", options, 2); }

  AttentionGateOptions options;
  torch::nn::Conv2d phi{nullptr}, theta{nullptr}, psi{nullptr};
  torch::nn::Conv2d output{nullptr};            ///< null without `output`
  torch::nn::BatchNorm2d output_norm{nullptr};  ///< null without `output`

 private:
  [[nodiscard]] torch::Tensor normed(const torch::Tensor& x) const {
    return options.norm() ? detail::checked_instance_norm(x, {}, {}, "AttentionGate") : x;
  }
};

PAM_MODULE(AttentionGate);

}  // namespace pam
