// SPDX-License-Identifier: MIT
/// ConvBlock: two 3x3 ConvNormAct, the plain block of the paper's U-Net (figure 1); the first one carries the stride.
#pragma once

#include <pam/core/module.hpp>
#include <pam/layers/conv_norm_act.hpp>

namespace pam {

struct ConvBlockOptions {
  ConvBlockOptions() = default;
  ConvBlockOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of the first convolution. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
///
///     x --> conv1 (3x3, stride) --> norm --> ReLU --> conv2 (3x3) --> norm --> ReLU -->
class ConvBlockImpl final : public torch::nn::Cloneable<ConvBlockImpl> {
 public:
  using Options = ConvBlockOptions;

  explicit ConvBlockImpl(const ConvBlockOptions& options_) : options(options_) { reset(); }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input) { return forward_activation(input).tensor(); }

  /// The same for an input that may still have to be computed; the last norm and ReLU are left to the output's reader.
  kernels::Activation forward_activation(const kernels::Activation& input) {
    return conv2->forward_activation(conv1->forward_activation(input));
  }

  void pretty_print(std::ostream& stream) const override;

  ConvBlockOptions options;
  ConvNormAct conv1{nullptr}, conv2{nullptr};
};

PAM_MODULE(ConvBlock);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/layers/conv_block-inl.hpp>
#endif
