// SPDX-License-Identifier: MIT
/// Reverse False Negative Attention (RFNA), section 3.3 and equation 2 of "Learning To Pay Attention To Mistakes"
/// (Xu, Oxtoby, Alexander, Jacob, BMVC 2020, https://arxiv.org/abs/2007.15131). The network trains on reversed labels,
/// so that the false negatives of its foreground are false positives of the real one; a pooled branch attends to that
/// background. According to the paper the branch has a narrower effective receptive field than the main branch;
/// measured, it is wider (docs/paper.md, "The two claims about receptive fields").
///
///     Y = F * A + F,   F = ConvBlock(X),   A = sigmoid(P(up8(D3(D2(E(F))))) + F)     (equation 2)
///
///     X --> ConvBlock (stride) --> F --+------------------------------------(*)--(+)--> Y
///                                      |                                     ^    ^
///                                      +-------------------------------------|----+
///                                      +-----------------------(+)--> sigmoid +  (A)
///                                      |                        ^
///                                      +-> E --> D2 --> D3 --> P, up to F's size
///
/// E = 1x1 conv, stride 2, norm, ReLU; D2, D3 = 3x3 conv, stride 2, norm, ReLU. P is linear and 1x1, so it commutes
/// with the bilinear upsampling; it is computed first, on 64 times fewer pixels. The authors' released code differs:
/// the branch reads X, pools nothing, adds its convolutions' inputs back, and F's place in A takes a 1x1 projection of
/// X.
#pragma once

#include <pam/attention/reverse_false_negative_branch.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/layers/conv_block.hpp>

namespace pam {

struct ReverseFalseNegativeAttentionOptions {
  ReverseFalseNegativeAttentionOptions() = default;
  ReverseFalseNegativeAttentionOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of the main branch's first convolution. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// How much smaller the branch becomes: 8, 4, 2 or 1. The first log2(ratio) of E, D2, D3 halve. Default: 8.
  TORCH_ARG(std::int64_t, ratio) = 8;
  /// The paper's way to ratios 4 and 2 (section 4.3): ratio 4 has no D3, ratio 2 neither D2 nor D3. false: they stay,
  /// with stride 1. Without effect for ratio 8, where all halve, and for 1, which the paper does not have.
  TORCH_ARG(bool, prune_convolutions) = true;
  /// The branch has expansion * out_channels channels. Default: 8.
  TORCH_ARG(std::int64_t, expansion) = 8;
  /// D2 and D3 are depth-wise; false: full convolutions.
  TORCH_ARG(bool, depthwise) = true;
  /// D2 and D3 are one module (convolution and norm). Without effect where D3 is pruned.
  TORCH_ARG(bool, share_weights) = true;
  /// Y = F * A + F; false: Y = F * A.
  TORCH_ARG(bool, identity) = true;
  /// false removes the attention branch: Y = F.
  TORCH_ARG(bool, branch) = true;
  /// What the branch reads. Default: F.
  TORCH_ARG(BranchInput, input) = BranchInput::Features;
  /// E is followed by norm and ReLU.
  TORCH_ARG(bool, expand_norm) = true;
  /// D2 and D3 add their input: a + D(a). Needs ratio 1, or 2 without pruning.
  TORCH_ARG(bool, residual) = false;

 public:  // TORCH_ARG ends in private:
  /// Table 5's 5.63 M parameters: expansion 8, D2 and D3 share their weights. The default.
  ReverseFalseNegativeAttentionOptions& table5() {
    return ratio(8)
        .prune_convolutions(true)
        .expansion(8)
        .depthwise(true)
        .share_weights(true)
        .identity(true)
        .input(BranchInput::Features)
        .expand_norm(true)
        .residual(false);
  }
  /// Section 3.3: expansion 4, D2 and D3 have weights of their own.
  ReverseFalseNegativeAttentionOptions& section33() { return table5().expansion(4).share_weights(false); }
  /// The authors' released code.
  ReverseFalseNegativeAttentionOptions& released() {
    return section33().ratio(1).input(BranchInput::Input).expand_norm(false).residual(true);
  }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("ratio", self.ratio_);
    field("prune_convolutions", self.prune_convolutions_);
    field("expansion", self.expansion_);
    field("depthwise", self.depthwise_);
    field("share_weights", self.share_weights_);
    field("identity", self.identity_);
    field("branch", self.branch_);
    field("input", self.input_);
    field("expand_norm", self.expand_norm_);
    field("residual", self.residual_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
/// Throws where a normalised map would be 1x1: with ratio 8 and stride 2, a side of 16 is too small (`min_size()`).
class ReverseFalseNegativeAttentionImpl final : public torch::nn::Cloneable<ReverseFalseNegativeAttentionImpl>,
                                                public Inspectable,
                                                public kernels::BackendUser {
 public:
  using Options = ReverseFalseNegativeAttentionOptions;
  /// Networks with this block in the encoder learn reversed labels by default.
  static constexpr bool kTrainsReversed = true;

  explicit ReverseFalseNegativeAttentionImpl(const ReverseFalseNegativeAttentionOptions& options_) : options(options_) {
    reset();
  }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input);

  /// The smallest input side: the branch's smallest map must have more than one pixel per side.
  [[nodiscard]] std::int64_t min_size() const {
    return (options.branch() && branch->normalises() ? options.ratio() : 1) * options.stride() + 1;
  }

  void pretty_print(std::ostream& stream) const override;

  ReverseFalseNegativeAttentionOptions options;
  ConvBlock main{nullptr};  ///< F
  /// A; null with `branch(false)`. Its parts are registered in this module, under the names that checkpoints have.
  ReverseFalseNegativeBranch branch{nullptr};
};

PAM_MODULE(ReverseFalseNegativeAttention);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/attention/reverse_false_negative_attention-inl.hpp>
#endif
