// SPDX-License-Identifier: MIT
/// UNet<Stage, Bridge, Decoder, Skip, Stem>: the paper's backbone (figure 1) over any blocks.
///
///     level 0   x --> stem ------------------------------- skip0 --> decoder0 --> head --> logits
///     level 1        stage1 (stride 2) ------------- skip1 --> decoder1 ----^
///     level 2           stage2 (stride 2) ----- skip2 --> decoder2 ----^
///     level 3              stage3 (stride 2) --> bridge ----^
///
/// Level i has width * 2^i channels. Placement is types: `UNet<FalsePositiveAttention>` has FPA in the stages and the
/// bridge (table 5), `UNet<FalsePositiveAttention, ConvBlock>` only in the stages (section 4.3).
/// Options hold a prototype per position; the net fills in channels and stride.
#pragma once

#include <pam/core/module.hpp>
#include <pam/core/prediction.hpp>
#include <pam/core/reversible.hpp>
#include <pam/core/traits.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/layers/conv_block.hpp>
#include <pam/nets/concat_skip.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace pam {

template <typename Stage, typename Bridge = Stage, typename Decoder = ConvBlock, typename Skip = ConcatSkip,
          typename Stem = ConvBlock>
struct UNetOptions {
  static_assert(sizeof(BlockCheck<Stage>) != 0 && sizeof(BlockCheck<Bridge>) != 0 && sizeof(BlockCheck<Decoder>) != 0 &&
                sizeof(BlockCheck<Stem>) != 0 && sizeof(SkipCheck<Skip>) != 0);

  UNetOptions() = default;
  UNetOptions(std::int64_t in_channels, std::int64_t classes) : in_channels_(in_channels), classes_(classes) {}
  /// Channels of the input image (modalities, or 3 for RGB).
  TORCH_ARG(std::int64_t, in_channels) = 0;
  /// 1 = binary, one logit channel; N >= 2 = N logit channels, channel 0 the background. Default: 1.
  TORCH_ARG(std::int64_t, classes) = 1;
  /// Channels of level 0, at least 1. Default: 32.
  TORCH_ARG(std::int64_t, width) = 32;
  /// Number of strided stages, 1 to 15. Default: 3.
  TORCH_ARG(std::int64_t, depth) = 3;
  /// The net learns reversed labels (1 - label) and its prediction is p < 0.5 (section 3.3): binary only.
  /// Default: true where the stage asks for it (RFNA).
  TORCH_ARG(bool, reversed) = detail::trains_reversed<Stage>::value;
  /// Prototype of the block of level 0; its channels are filled in.
  TORCH_ARG(options_t<Stem>, stem);
  /// One prototype for all stages, or one per stage, from level 1 down.
  TORCH_ARG(std::vector<options_t<Stage>>, stages) = std::vector<options_t<Stage>>(1);
  /// Prototype of the block below the last stage; its channels are filled in.
  TORCH_ARG(options_t<Bridge>, bridge);
  /// One prototype for all decoder levels, or one per level, from level 0 down.
  TORCH_ARG(std::vector<options_t<Decoder>>, decoders) = std::vector<options_t<Decoder>>(1);
  /// As `decoders`.
  TORCH_ARG(std::vector<options_t<Skip>>, skips) = std::vector<options_t<Skip>>(1);

 public:  // TORCH_ARG ends in private:
  /// The same prototype for all stages.
  UNetOptions& stage(const options_t<Stage>& prototype) { return stages({prototype}); }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("classes", self.classes_);
    field("width", self.width_);
    field("depth", self.depth_);
    field("reversed", self.reversed_);
    field("stem", self.stem_);
    field("stages", self.stages_);
    field("bridge", self.bridge_);
    field("decoders", self.decoders_);
    field("skips", self.skips_);
  }
};

/// (N, in_channels, H, W) -> logits (N, classes, H, W), for every H and W from `min_size()` up, odd ones too.
/// Construction throws `Error` for channels, classes or width below 1, for a depth outside 1 to 15, for reversed labels
/// with several classes, and for lists of prototypes that are not one per level; `forward` for another number of
/// channels, sides below `min_size()`, and a part that returns another shape than it must.
template <typename Stage, typename Bridge = Stage, typename Decoder = ConvBlock, typename Skip = ConcatSkip,
          typename Stem = ConvBlock>
class UNetImpl final : public torch::nn::Cloneable<UNetImpl<Stage, Bridge, Decoder, Skip, Stem>>, public Reversible {
 public:
  using Options = UNetOptions<Stage, Bridge, Decoder, Skip, Stem>;

  // Defined below, not here: what is inline, g++ compiles in every file, even where zoo_nets.hpp says that it need not.
  explicit UNetImpl(const Options& options_);

  void reset() override;

  torch::Tensor forward(const torch::Tensor& input);

  /// Class probabilities with reversed labels undone: (N, 1, H, W) of the foreground, or (N, classes, H, W).
  torch::Tensor probabilities(const torch::Tensor& input);

  /// As the option says.
  [[nodiscard]] bool reversed() const override { return options.reversed(); }

  /// The smallest height and width that leave every instance norm more than one pixel and every strided gate one.
  [[nodiscard]] std::int64_t min_size() const;

  /// Channels of a level: width * 2^level.
  [[nodiscard]] std::int64_t channels(std::int64_t level) const { return options.width() << level; }

  void pretty_print(std::ostream& stream) const override;

  Options options;
  Stem stem{nullptr};
  std::vector<Stage> stages;  ///< levels 1 … depth
  Bridge bridge{nullptr};
  std::vector<Skip> skips;        ///< levels 0 … depth - 1
  std::vector<Decoder> decoders;  ///< levels 0 … depth - 1
  torch::nn::Conv2d head{nullptr};

 private:
  template <typename Block>
  static Block make(options_t<Block> prototype, std::int64_t in, std::int64_t out, std::int64_t stride) {
    prototype.in_channels(in).out_channels(out).stride(stride);
    return Block(prototype);
  }

  template <typename T>
  T prototype(const std::vector<T>& list, std::int64_t index, const char* field) const {
    check(list.size() == 1 || static_cast<std::int64_t>(list.size()) == options.depth(),
          "UNet: {} must hold one prototype for all levels or one per level ({}), got {}", field, options.depth(),
          list.size());
    return list.size() == 1 ? list[0] : list[static_cast<std::size_t>(index)];
  }

  static constexpr std::int64_t kNoLevel = -1;

  /// Without this check, a block that ignores its options fails inside a later convolution, whose error names no block.
  void check_part(const char* name, std::int64_t level, at::IntArrayRef in, const kernels::Activation& out,
                  std::int64_t channels, std::int64_t stride) const;
};

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::UNetImpl(const Options& options_) : options(options_) {
  reset();
}

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
void UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::reset() {
  check(options.in_channels() > 0 && options.classes() > 0 && options.width() > 0,
        "UNet: in_channels, classes and width must be positive, got {}, {} and {}", options.in_channels(),
        options.classes(), options.width());
  check(options.depth() > 0 && options.depth() < 16, "UNet: depth must be 1 to 15, got {}", options.depth());
  check(!options.reversed() || options.classes() == 1,
        "UNet: reversed labels are binary (1 - label), got classes={}; set reversed(false) or classes(1)",
        options.classes());
  // Cleared first: a clone starts as a copy of the original, holders included, and must not keep them.
  stages.clear(), decoders.clear(), skips.clear();
  stem = this->register_module("stem", make<Stem>(options.stem(), options.in_channels(), channels(0), 1));
  for (std::int64_t level = 1; level <= options.depth(); ++level) {
    stages.push_back(this->register_module(
        "stage" + std::to_string(level),
        make<Stage>(prototype(options.stages(), level - 1, "stages"), channels(level - 1), channels(level), 2)));
  }
  const auto deepest = channels(options.depth());
  bridge = this->register_module("bridge", make<Bridge>(options.bridge(), deepest, deepest, 1));
  for (std::int64_t level = 0; level < options.depth(); ++level) {
    auto skip = prototype(options.skips(), level, "skips");
    skip.deep_channels(channels(level + 1)).skip_channels(channels(level));
    skips.push_back(this->register_module("skip" + std::to_string(level), Skip(skip)));
    decoders.push_back(this->register_module("decoder" + std::to_string(level),
                                             make<Decoder>(prototype(options.decoders(), level, "decoders"),
                                                           channels(level) + channels(level + 1), channels(level), 1)));
  }
  head = this->register_module(
      "head", torch::nn::Conv2d(torch::nn::Conv2dOptions(channels(0), options.classes(), 1).bias(false)));
}

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
torch::Tensor UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::forward(const torch::Tensor& input) {
  using kernels::Activation, kernels::forward_activation;
  check_nchw(input, options.in_channels(), "UNet");
  const auto smallest = min_size();
  check(input.size(2) >= smallest && input.size(3) >= smallest,
        "UNet: the input must be at least {0} pixels per side (min_size()), got {1} x {2}; pad it to {0} and crop "
        "the result",
        smallest, input.size(2), input.size(3));
  std::vector<Activation> features{forward_activation(stem, Activation(input))};
  check_part("stem", kNoLevel, input.sizes(), features[0], channels(0), 1);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    features.push_back(forward_activation(stages[i], features.back()));
    const auto level = static_cast<std::int64_t>(i) + 1;
    check_part("stage", level, features[i].sizes(), features[i + 1], channels(level), 2);
  }
  auto y = forward_activation(bridge, features.back());
  check_part("bridge", kNoLevel, features.back().sizes(), y, channels(options.depth()), 1);
  for (auto level = options.depth() - 1; level >= 0; --level) {
    const auto i = static_cast<std::size_t>(level);
    const auto joined = forward_activation(skips[i], y, features[i]);
    check_part("skip", level, features[i].sizes(), joined, channels(level) + channels(level + 1), 1);
    y = forward_activation(decoders[i], joined);
    check_part("decoder", level, joined.sizes(), y, channels(level), 1);
    features[i] = Activation();  // not needed below; frees it in inference
  }
  // A head that was put in its place by hand may be any convolution.
  const bool plain = !head->bias.defined() && head->weight.numel() == options.classes() * channels(0);
  return plain ? kernels::pointwise(y, head->weight) : head(y.tensor());
}

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
torch::Tensor UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::probabilities(const torch::Tensor& input) {
  return pam::probabilities(forward(input), options.reversed());
}

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
std::int64_t UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::min_size() const {
  auto smallest = min_size_of(stem, 1);
  // A side n is ceil(n / 2^level) at a level, so what needs m pixels there needs n > (m - 1) * 2^level.
  const auto need = [&smallest](std::int64_t pixels, std::size_t level) {
    smallest = std::max(smallest, ((pixels - 1) << level) + 1);
  };
  for (std::size_t i = 0; i < stages.size(); ++i) {
    need(min_size_of(stages[i], 2), i);
    if constexpr (detail::has_min_size<typename Skip::Impl>::value) need(skips[i]->min_size(), i);
    need(min_size_of(decoders[i], 1), i);
  }
  need(min_size_of(bridge, 1), stages.size());
  return smallest;
}

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
void UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::pretty_print(std::ostream& stream) const {
  print_options(stream, "UNet", options, 2);
}

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
void UNetImpl<Stage, Bridge, Decoder, Skip, Stem>::check_part(const char* name, std::int64_t level, at::IntArrayRef in,
                                                              const kernels::Activation& out, std::int64_t channels,
                                                              std::int64_t stride) const {
  const auto sizes = out.sizes();
  const bool right = sizes.size() == 4 && sizes[1] == channels && sizes[2] == (in[2] + stride - 1) / stride &&
                     sizes[3] == (in[3] + stride - 1) / stride;
  check(right, "UNet: {}{} returned {} for an input of {}; with stride {} it must return {} channels and {}", name,
        level == kNoLevel ? std::string() : std::to_string(level), shape_string(sizes), shape_string(in), stride,
        channels,
        stride == 1 ? "the same size: pass its channels to its last convolution"
                    : "half the size, rounded up: pass its stride option to its first convolution");
}

/// Holder of `UNetImpl`, written out because PAM_MODULE does not take templates.
template <typename Stage, typename Bridge = Stage, typename Decoder = ConvBlock, typename Skip = ConcatSkip,
          typename Stem = ConvBlock>
class UNet : public torch::nn::ModuleHolder<UNetImpl<Stage, Bridge, Decoder, Skip, Stem>> {
 public:
  using Impl = UNetImpl<Stage, Bridge, Decoder, Skip, Stem>;
  PAM_MODULE_CONSTRUCTORS(UNet, "UNetOptions<Stage>")
};

template <typename Stage, typename Bridge, typename Decoder, typename Skip, typename Stem>
UNet(UNetOptions<Stage, Bridge, Decoder, Skip, Stem>) -> UNet<Stage, Bridge, Decoder, Skip, Stem>;

}  // namespace pam
