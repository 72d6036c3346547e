// SPDX-License-Identifier: MIT
/// Reverse False Negative Attention (RFNA), section 3.3 and equation 2 of "Learning To Pay Attention To Mistakes"
/// (Xu, Oxtoby, Alexander, Jacob, BMVC 2020, https://arxiv.org/abs/2007.15131). The network trains on reversed labels, so that
/// the false negatives of its foreground are false positives of the real one; a pooled branch attends to that background with
/// a narrower effective receptive field than the main branch has.
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
/// E = 1x1 conv, stride 2, norm, ReLU; D2, D3 = 3x3 conv, stride 2, norm, ReLU. P is linear and 1x1, so it commutes with
/// the bilinear upsampling; it is computed first, on 64 times fewer pixels. The authors' released code differs: the branch
/// reads X, pools nothing, adds its convolutions' inputs back, and F's place in A takes a 1x1 projection of X.
#pragma once

#include <pam/core/inspect.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/kernels/upsample.hpp>
#include <pam/layers/conv_block.hpp>

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

struct ReverseFalseNegativeAttentionOptions {
  ReverseFalseNegativeAttentionOptions() = default;
  ReverseFalseNegativeAttentionOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of the main branch's first convolution. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// How much smaller the branch becomes: 8, 4, 2 or 1. The first log2(ratio) of E, D2, D3 halve, the others keep the
  /// size, so every ratio has the same parameters. Default: 8.
  TORCH_ARG(std::int64_t, ratio) = 8;
  /// The branch has expansion * out_channels channels. Default: 8.
  TORCH_ARG(std::int64_t, expansion) = 8;
  /// D2 and D3 are depth-wise; false: full convolutions.
  TORCH_ARG(bool, depthwise) = true;
  /// D2 and D3 are one module (convolution and norm).
  TORCH_ARG(bool, share_weights) = true;
  /// Y = F * A + F; false: Y = F * A.
  TORCH_ARG(bool, identity) = true;
  /// false removes the attention branch: Y = F.
  TORCH_ARG(bool, branch) = true;
  /// What the branch reads. Default: F.
  TORCH_ARG(BranchInput, input) = BranchInput::Features;
  /// E is followed by norm and ReLU.
  TORCH_ARG(bool, expand_norm) = true;
  /// D2 and D3 add their input: a + D(a). Needs ratio 1 or 2.
  TORCH_ARG(bool, residual) = false;

 public:  // TORCH_ARG ends in private:
  /// Table 5's 5.63 M parameters: expansion 8, D2 and D3 share their weights. The default.
  ReverseFalseNegativeAttentionOptions& table5() {
    return ratio(8).expansion(8).depthwise(true).share_weights(true).identity(true).input(BranchInput::Features)
        .expand_norm(true).residual(false);
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
/// Throws where a normalised map would be 1x1: with ratio 8 and stride 2 a side of 16 is too small (`min_size()`).
class ReverseFalseNegativeAttentionImpl final : public torch::nn::Cloneable<ReverseFalseNegativeAttentionImpl>,
                                                public Inspectable,
                                                public kernels::BackendUser {
 public:
  using Options = ReverseFalseNegativeAttentionOptions;
  /// Networks with this block in the encoder train on reversed labels unless told otherwise.
  static constexpr bool kTrainsReversed = true;

  explicit ReverseFalseNegativeAttentionImpl(const ReverseFalseNegativeAttentionOptions& options_)
      : options(options_) {
    reset();
  }

  void reset() override {
    const auto r = options.ratio();
    check(r == 1 || r == 2 || r == 4 || r == 8, "ReverseFalseNegativeAttention: ratio must be 1, 2, 4 or 8, got {}", r);
    check(options.expansion() > 0, "ReverseFalseNegativeAttention: expansion must be positive, got {}",
          options.expansion());
    check(!options.residual() || r <= 2,
          "ReverseFalseNegativeAttention: residual needs D2 and D3 to keep the size (ratio 1 or 2), got ratio={}", r);
    main = this->register_module("main", ConvBlock(ConvBlockOptions(options.in_channels(), options.out_channels())
                                                       .stride(options.stride())));
    expand = nullptr, down2 = nullptr, down3 = nullptr, project = nullptr, shortcut = nullptr;
    if (!options.branch()) return;
    const auto from_input = options.input() == BranchInput::Input;
    const auto channels = from_input ? options.in_channels() : options.out_channels();
    const auto width = options.expansion() * options.out_channels();
    const auto stride = (from_input ? options.stride() : 1) * (r >= 2 ? 2 : 1);
    const auto step = ConvNormActOptions(width, width).depthwise(options.depthwise());
    expand = this->register_module("expand", ConvNormAct(ConvNormActOptions(channels, width)
                                                             .kernel_size(1)
                                                             .stride(stride)
                                                             .norm_act(options.expand_norm())));
    down2 = this->register_module("down2", ConvNormAct(ConvNormActOptions(step).stride(r >= 4 ? 2 : 1)));
    if (!options.share_weights()) {
      down3 = this->register_module("down3", ConvNormAct(ConvNormActOptions(step).stride(last_stride())));
    }
    project = this->register_module(
        "project", torch::nn::Conv2d(torch::nn::Conv2dOptions(width, options.out_channels(), 1).bias(false)));
    if (from_input) {
      shortcut = this->register_module(
          "shortcut", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in_channels(), options.out_channels(), 1)
                                            .stride(options.stride())
                                            .bias(false)));
    }
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.in_channels(), "ReverseFalseNegativeAttention");
    const auto features = main(input);
    if (!options.branch()) return features;
    const auto from_input = options.input() == BranchInput::Input;
    const auto logits = project(branch(from_input ? input : features));
    const auto added = from_input ? kernels::pointwise(input, shortcut->weight, options.stride()) : features;
    const auto output = kernels::upsample_gate(features, logits, added, options.identity(), backend());
    if (inspecting()) {
      keep(torch::sigmoid(kernels::upsample(logits, features.sizes().slice(2)) + added), features, output);
    }
    return output;
  }

  /// D3(D2(E(x))): (N, expansion * out_channels, h, w).
  torch::Tensor branch(const torch::Tensor& x) {
    auto y = expand(x);
    y = options.residual() ? y + down2(y) : down2(y);
    const auto z = options.share_weights() ? down2->forward_with_stride(y, last_stride()) : down3(y);
    return options.residual() ? y + z : z;
  }

  /// The smallest input side: the branch's smallest map must have more than one pixel a side.
  [[nodiscard]] std::int64_t min_size() const {
    const auto shrink = options.branch() ? options.ratio() : 1;
    return shrink * options.stride() + 1;
  }

  void pretty_print(std::ostream& stream) const override {
    print_options(stream, "ReverseFalseNegativeAttention", options, 2);
  }

  /// The stride of D3.
  [[nodiscard]] std::int64_t last_stride() const { return options.ratio() == 8 ? 2 : 1; }

  ReverseFalseNegativeAttentionOptions options;
  ConvBlock main{nullptr};
  ConvNormAct expand{nullptr}, down2{nullptr}, down3{nullptr};  ///< E, D2, D3; D3 only without shared weights
  torch::nn::Conv2d project{nullptr}, shortcut{nullptr};        ///< P; `shortcut` only where the branch reads X
};

TORCH_MODULE(ReverseFalseNegativeAttention);

}  // namespace pam
