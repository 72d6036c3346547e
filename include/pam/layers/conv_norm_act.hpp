// SPDX-License-Identifier: MIT
/// ConvNormAct: convolution -> instance norm -> ReLU, the one place where that order is written.
/// The paper's networks use it everywhere (section 3.1): no convolution bias, affine norm, no running statistics.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>
#include <pam/kernels/backend.hpp>
#include <pam/kernels/conv3x3.hpp>

#include <ostream>

namespace pam {

struct ConvNormActOptions {
  ConvNormActOptions() = default;
  ConvNormActOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  /// Channels of the input. No effect after construction, as with every option here.
  TORCH_ARG(std::int64_t, in_channels) = 0;
  /// Channels of the output.
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Side of the square kernel, odd; the padding keeps the size at stride 1.
  TORCH_ARG(std::int64_t, kernel_size) = 3;
  TORCH_ARG(std::int64_t, stride) = 1;
  TORCH_ARG(std::int64_t, dilation) = 1;
  /// Depth-wise: every channel has a kernel of its own; needs in_channels == out_channels.
  TORCH_ARG(bool, depthwise) = false;
  /// Instance norm and ReLU after the convolution; without them this is the convolution alone.
  TORCH_ARG(bool, norm_act) = true;

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("kernel_size", self.kernel_size_);
    field("stride", self.stride_);
    field("dilation", self.dilation_);
    field("depthwise", self.depthwise_);
    field("norm_act", self.norm_act_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
/// Throws where the normalised map would be 1x1: the norm of one value is always its bias, so nothing could be learnt
/// (Python's PyTorch throws too; LibTorch does not).
class ConvNormActImpl final : public torch::nn::Cloneable<ConvNormActImpl>, public kernels::BackendUser {
 public:
  using Options = ConvNormActOptions;
  static constexpr double kEps = 1e-5;

  explicit ConvNormActImpl(const ConvNormActOptions& options_) : options(options_) { reset(); }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input) { return forward_with_stride(input, options.stride()); }

  /// The same with another stride: weights that are shared between a strided and a plain step (RFNA at ratio 4).
  torch::Tensor forward_with_stride(const torch::Tensor& input, std::int64_t stride) {
    return forward_activation(input, stride).tensor();
  }

  /// The same for an input that may still have to be computed; the output's norm and ReLU are left to its reader.
  kernels::Activation forward_activation(const kernels::Activation& input) {
    return forward_activation(input, options.stride());
  }

  kernels::Activation forward_activation(const kernels::Activation& input, std::int64_t stride);

  /// The convolution alone, its input checked for the norm: what fused kernels start from.
  torch::Tensor convolve(const torch::Tensor& input) { return convolve(input, options.stride()); }

  torch::Tensor convolve(const torch::Tensor& input, std::int64_t stride);

  void pretty_print(std::ostream& stream) const override;

  ConvNormActOptions options;
  torch::nn::Conv2d conv{nullptr};
  torch::nn::InstanceNorm2d norm{nullptr};  ///< null without `norm_act`

 private:
  /// Whether this is a 3x3 convolution over all channels and adjacent pixels.
  [[nodiscard]] bool is_plain3x3() const {
    return !options.depthwise() && options.kernel_size() == 3 && options.dilation() == 1;
  }

  /// Throws for another number of channels than the options', and where the normalised map would be 1x1.
  void check_input(at::IntArrayRef input, std::int64_t stride) const;

  /// The convolution, whichever function computes it fastest.
  torch::Tensor apply_weights(const torch::Tensor& input, std::int64_t stride);

  kernels::Conv3x3Cache weights_;
};

PAM_MODULE(ConvNormAct);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/layers/conv_norm_act-inl.hpp>
#endif
