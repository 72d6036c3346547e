// SPDX-License-Identifier: MIT
/// The attention branch of RFNA alone, F -> A, for a main branch of your own (equation 2 of "Learning To Pay Attention
/// To Mistakes", Xu, Oxtoby, Alexander, Jacob, BMVC 2020, https://arxiv.org/abs/2007.15131):
///
///     A = sigmoid(P(up8(D3(D2(E(F))))) + F),   then   Y = F * A + F
///
///     F --+------------------------------------------------(+)--> sigmoid --> A
///         |                                                 ^
///         +--> E 1x1 --> D2 3x3 --> D3 3x3 --> P 1x1, up to F's size
///              each stride 2 -> norm -> ReLU
///
/// `GatedBlock<Main, ReverseFalseNegativeBranch>` is a block of any F and this branch; `ReverseFalseNegativeAttention`
/// is the paper's, F = ConvBlock(X). P is linear and 1x1, so it commutes with the bilinear upsampling; it is computed
/// first, on 64 times fewer pixels. In the authors' released code the branch reads X, pools nothing, adds its
/// convolutions' inputs back, and F's place in A takes a 1x1 projection of X (`BranchInput::Input`).
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/module.hpp>
#include <pam/layers/conv_norm_act.hpp>

namespace pam {

/// What RFNA's attention branch reads and what is added to it before the sigmoid.
enum class BranchInput {
  Features,  ///< F, and F itself is added (the paper's equation 2)
  Input,     ///< X, and a 1x1 projection of X is added (the released code)
};
inline const char* to_string(BranchInput value) { return value == BranchInput::Features ? "features" : "input"; }
inline const char* option_names(BranchInput) { return "\"features\" or \"input\""; }
inline bool from_string(const std::string& name, BranchInput& value) {
  if (name != "features" && name != "input") return false;
  value = name == "features" ? BranchInput::Features : BranchInput::Input;
  return true;
}

struct ReverseFalseNegativeBranchOptions {
  ReverseFalseNegativeBranchOptions() = default;
  ReverseFalseNegativeBranchOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  /// A branch that reads F of so many channels.
  explicit ReverseFalseNegativeBranchOptions(std::int64_t channels)
      : ReverseFalseNegativeBranchOptions(channels, channels) {}
  /// Channels of X; without effect where the branch reads F.
  TORCH_ARG(std::int64_t, in_channels) = 0;
  /// Channels of A, which are those of F.
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// How much smaller F is than X; without effect where the branch reads F. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// How much smaller the branch becomes: 8, 4, 2 or 1. The first log2(ratio) of E, D2, D3 halve. Default: 8.
  TORCH_ARG(std::int64_t, ratio) = 8;
  /// The paper's way to ratios 4 and 2 (section 4.3): ratio 4 has no D3, ratio 2 neither D2 nor D3. false: they stay,
  /// with stride 1. Without effect for ratio 8, where all halve, and for 1, which the paper does not have. The D of
  /// ratio 4 without D3 is named "down" in a state dict, not "down2": a file whose shared "down2" was applied twice
  /// would otherwise load without an error.
  TORCH_ARG(bool, prune_convolutions) = true;
  /// The branch has expansion * out_channels channels. Default: 8.
  TORCH_ARG(std::int64_t, expansion) = 8;
  /// D2 and D3 are depth-wise; false: full convolutions.
  TORCH_ARG(bool, depthwise) = true;
  /// D2 and D3 are one module (convolution and norm). Without effect where D3 is pruned.
  TORCH_ARG(bool, share_weights) = true;
  /// What the branch reads. Default: F.
  TORCH_ARG(BranchInput, input) = BranchInput::Features;
  /// E is followed by norm and ReLU.
  TORCH_ARG(bool, expand_norm) = true;
  /// D2 and D3 add their input: a + D(a). Needs ratio 1, or 2 without pruning.
  TORCH_ARG(bool, residual) = false;

 public:  // TORCH_ARG ends in private:
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
    field("input", self.input_);
    field("expand_norm", self.expand_norm_);
    field("residual", self.residual_);
  }
};

/// F (N, out_channels, H, W) -> A of the same shape, every entry in [0, 1]; with `BranchInput::Input`
/// X (N, in_channels, H, W) -> A (N, out_channels, ceil(H / stride), ceil(W / stride)).
/// Throws where a normalised map would be 1x1: with ratio 8 F must have more than 8 pixels per side (`min_size()`).
class ReverseFalseNegativeBranchImpl final : public torch::nn::Cloneable<ReverseFalseNegativeBranchImpl>,
                                             public kernels::BackendUser {
 public:
  using Options = ReverseFalseNegativeBranchOptions;
  /// Networks with this branch in the encoder learn reversed labels by default.
  static constexpr bool kTrainsReversed = true;

  explicit ReverseFalseNegativeBranchImpl(const ReverseFalseNegativeBranchOptions& options_) : options(options_) {
    reset();
  }

  void reset() override;

  torch::Tensor forward(const torch::Tensor& x);

  /// P(D3(D2(E(x)))), before it is upsampled and added: (N, out_channels, h, w).
  torch::Tensor logits(const torch::Tensor& x) { return project(pooled(x)); }

  /// D3(D2(E(x))), without those that are pruned: (N, expansion * out_channels, h, w).
  torch::Tensor pooled(const torch::Tensor& x);

  /// What is added to the upsampled logits: F itself, or the projection of X.
  torch::Tensor added(const torch::Tensor& x);

  /// Throws where no branch can have these options.
  static void check_options(const Options& options);

  /// Whether the branch reads F; false: X.
  [[nodiscard]] bool reads_features() const { return options.input() == BranchInput::Features; }

  /// How many convolutions follow E: 2 (D2, D3), 1 (D2) or 0.
  [[nodiscard]] std::int64_t steps() const { return steps(options); }

  /// Whether any of its maps is normalised.
  [[nodiscard]] bool normalises() const { return options.expand_norm() || steps() > 0; }

  /// The smallest side of what the branch reads: its smallest normalised map must have more than one pixel per side.
  [[nodiscard]] std::int64_t min_size() const {
    return normalises() ? options.ratio() * (reads_features() ? 1 : options.stride()) + 1 : 1;
  }

  void pretty_print(std::ostream& stream) const override;

  ReverseFalseNegativeBranchOptions options;
  ConvNormAct expand{nullptr}, down2{nullptr}, down3{nullptr};  ///< E, D2, D3 (with weights of its own)
  torch::nn::Conv2d project{nullptr}, shortcut{nullptr};        ///< P; `shortcut` only where the branch reads X

 private:
  static std::int64_t steps(const Options& options) {
    if (!options.prune_convolutions()) return 2;
    return options.ratio() == 2 ? 0 : options.ratio() == 4 ? 1 : 2;
  }
  /// The stride of D3.
  [[nodiscard]] std::int64_t last_stride() const { return options.ratio() == 8 ? 2 : 1; }
};

PAM_MODULE(ReverseFalseNegativeBranch);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/attention/reverse_false_negative_branch-inl.hpp>
#endif
