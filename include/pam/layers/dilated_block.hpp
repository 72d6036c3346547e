// SPDX-License-Identifier: MIT
/// DilatedBlock: a ConvBlock whose two convolutions are dilated. The paper's dilated U-Net (table 3) has them in the
/// three strided stages; there is no single original paper for it.
#pragma once

#include <pam/core/module.hpp>
#include <pam/layers/conv_norm_act.hpp>

namespace pam {

struct DilatedBlockOptions {
  DilatedBlockOptions() = default;
  DilatedBlockOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of the first convolution. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// Dilation of both convolutions. Default: 9, as in the paper's d9unet.
  TORCH_ARG(std::int64_t, dilation) = 9;

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("dilation", self.dilation_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
class DilatedBlockImpl final : public torch::nn::Cloneable<DilatedBlockImpl> {
 public:
  using Options = DilatedBlockOptions;

  explicit DilatedBlockImpl(const DilatedBlockOptions& options_) : options(options_) { reset(); }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input) { return forward_activation(input).tensor(); }

  /// The same for an input that may still have to be computed; the last norm and ReLU are left to the output's reader.
  kernels::Activation forward_activation(const kernels::Activation& input) {
    return conv2->forward_activation(conv1->forward_activation(input));
  }

  void pretty_print(std::ostream& stream) const override;

  DilatedBlockOptions options;
  ConvNormAct conv1{nullptr}, conv2{nullptr};
};

PAM_MODULE(DilatedBlock);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/layers/dilated_block-inl.hpp>
#endif
