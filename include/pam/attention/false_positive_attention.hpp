// SPDX-License-Identifier: MIT
/// False Positive Attention (FPA), section 3.2 and equation 1 of "Learning To Pay Attention To Mistakes"
/// (Xu, Oxtoby, Alexander, Jacob, BMVC 2020, https://arxiv.org/abs/2007.15131). A network that misses the border of a blurred
/// foreground errs towards false negatives; FPA steers the encoder the other way, towards false positives, by attending with a
/// wider effective receptive field: a dilated branch beside the convolutions.
///
///     Y = F * A + F,   F = ConvBlock(X),   A = sigmoid(P(D(D(E(X)))))            (equation 1)
///
///     X --+--> conv 3x3 (stride) -> norm -> ReLU -> conv 3x3 -> norm -> ReLU --> F --+--(*)--(+)--> Y
///         |                                                                          |   ^    ^
///         |                                                                          +---|----+
///         +--> E 1x1 (stride) --> D --> D --> P 1x1 --> sigmoid --> A -------------------+
///                                 D = dilated 3x3 conv -> norm -> ReLU, the same weights both times
///
/// A block of your own takes ConvBlock's place in `GatedBlock<Main>` (attention/gated_block.hpp).
///
/// The paper has two readings: section 4.3 says "no depth-wise", while table 5's 4.2 M parameters are met, to the digit,
/// only by a depth-wise D with expansion 4. Both are presets. The authors' released code is a third (no shared weights).
#pragma once

#include <pam/attention/false_positive_branch.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/layers/conv_block.hpp>

namespace pam {

struct FalsePositiveAttentionOptions {
  FalsePositiveAttentionOptions() = default;
  FalsePositiveAttentionOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of the main branch's first convolution and of E. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// Dilation of D. Default: 9 (the paper compares 6, 9 and 12 in figure 7).
  TORCH_ARG(std::int64_t, dilation) = 9;
  /// The branch has expansion * out_channels channels. Default: 4.
  TORCH_ARG(std::int64_t, expansion) = 4;
  /// D is depth-wise; false: full convolutions.
  TORCH_ARG(bool, depthwise) = true;
  /// Both D are one module (convolution and norm); false: each has weights of its own.
  TORCH_ARG(bool, share_weights) = true;
  /// Y = F * A + F; false: Y = F * A.
  TORCH_ARG(bool, identity) = true;
  /// false removes the attention branch: Y = F (the ablation's plain block).
  TORCH_ARG(bool, branch) = true;

 public:  // TORCH_ARG ends in private:
  /// Table 5's 4.2 M parameters: depth-wise, expansion 4, shared weights. The default.
  FalsePositiveAttentionOptions& table5() { return depthwise(true).expansion(4).share_weights(true).identity(true); }
  /// Section 4.3: full convolutions, expansion 1, shared weights.
  FalsePositiveAttentionOptions& section43() { return table5().depthwise(false).expansion(1); }
  /// The authors' released code: as table 5, but the two D have weights of their own.
  FalsePositiveAttentionOptions& released() { return table5().share_weights(false); }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("dilation", self.dilation_);
    field("expansion", self.expansion_);
    field("depthwise", self.depthwise_);
    field("share_weights", self.share_weights_);
    field("identity", self.identity_);
    field("branch", self.branch_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)). Throws on 1x1 maps.
class FalsePositiveAttentionImpl final : public torch::nn::Cloneable<FalsePositiveAttentionImpl>,
                                         public Inspectable,
                                         public kernels::BackendUser {
 public:
  using Options = FalsePositiveAttentionOptions;

  explicit FalsePositiveAttentionImpl(const FalsePositiveAttentionOptions& options_) : options(options_) { reset(); }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input);

  /// P(D(D(E(x)))): the attention map before its sigmoid, (N, out_channels, H', W').
  torch::Tensor attention_logits(const torch::Tensor& input) { return branch->logits(input, backend()); }

  void pretty_print(std::ostream& stream) const override;

  FalsePositiveAttentionOptions options;
  ConvBlock main{nullptr};  ///< F
  /// A; null with `branch(false)`. Its parts are registered in this module, under the names that checkpoints have.
  FalsePositiveBranch branch{nullptr};
};

PAM_MODULE(FalsePositiveAttention);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/attention/false_positive_attention-inl.hpp>
#endif
