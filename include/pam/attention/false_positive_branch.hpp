// SPDX-License-Identifier: MIT
/// The attention branch of FPA alone, X -> A, for a main branch of your own (equation 1 of "Learning To Pay Attention
/// To Mistakes", Xu, Oxtoby, Alexander, Jacob, BMVC 2020, https://arxiv.org/abs/2007.15131):
///
///     A = sigmoid(P(D(D(E(X))))),   then   Y = F * A + F
///
///     X --> E 1x1 (stride) --> D --> D --> P 1x1 --> sigmoid --> A
///                              D = dilated 3x3 conv -> norm -> ReLU, the same weights both times
///
/// `GatedBlock<Main>` is a block of any F and this branch; `FalsePositiveAttention` is the paper's, F = ConvBlock(X).
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/module.hpp>
#include <pam/layers/conv_norm_act.hpp>

namespace pam {

struct FalsePositiveBranchOptions {
  FalsePositiveBranchOptions() = default;
  FalsePositiveBranchOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  /// Channels of X.
  TORCH_ARG(std::int64_t, in_channels) = 0;
  /// Channels of A, which are those of F.
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of E: how much smaller F is than X. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// Dilation of D. Default: 9 (the paper compares 6, 9 and 12 in figure 7).
  TORCH_ARG(std::int64_t, dilation) = 9;
  /// The branch has expansion * out_channels channels. Default: 4.
  TORCH_ARG(std::int64_t, expansion) = 4;
  /// D is depth-wise; false: full convolutions.
  TORCH_ARG(bool, depthwise) = true;
  /// Both D are one module (convolution and norm); false: each has weights of its own.
  TORCH_ARG(bool, share_weights) = true;

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("dilation", self.dilation_);
    field("expansion", self.expansion_);
    field("depthwise", self.depthwise_);
    field("share_weights", self.share_weights_);
  }
};

/// X (N, in_channels, H, W) -> A (N, out_channels, ceil(H / stride), ceil(W / stride)), every entry in [0, 1].
/// Throws where A would be 1x1, which an instance norm cannot normalise.
class FalsePositiveBranchImpl final : public torch::nn::Cloneable<FalsePositiveBranchImpl>,
                                      public kernels::BackendUser {
 public:
  using Options = FalsePositiveBranchOptions;

  explicit FalsePositiveBranchImpl(const FalsePositiveBranchOptions& options_) : options(options_) { reset(); }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input) { return torch::sigmoid(logits(input)); }

  /// P(D(D(E(X)))): A before its sigmoid, which a fused gate starts from.
  torch::Tensor logits(const torch::Tensor& input) { return logits(input, backend()); }
  torch::Tensor logits(const torch::Tensor& input, kernels::Backend backend);

  /// Throws where no branch can have these options.
  static void check_options(const Options& options);

  void pretty_print(std::ostream& stream) const override;

  FalsePositiveBranchOptions options;
  torch::nn::Conv2d expand{nullptr}, project{nullptr};  ///< E and P
  ConvNormAct dilated{nullptr}, dilated2{nullptr};      ///< D; `dilated2` only without shared weights
};

PAM_MODULE(FalsePositiveBranch);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/attention/false_positive_branch-inl.hpp>
#endif
