// SPDX-License-Identifier: MIT
/// Attended<A, Block>: any block followed by any attention, itself a block. This is how the paper's baselines are
/// built: the attention comes after the block, so the stride is already applied.
#pragma once

#include <pam/core/module.hpp>
#include <pam/core/traits.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/layers/conv_block.hpp>

namespace pam {

template <typename Attention, typename Block = ConvBlock>
struct AttendedOptions {
  static_assert(sizeof(AttentionCheck<Attention>) != 0 && sizeof(BlockCheck<Block>) != 0);

  AttendedOptions() = default;
  AttendedOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  TORCH_ARG(std::int64_t, stride) = 1;
  /// false: only the block. All levels of a UNet have the same type, so this switches the attention off at one.
  TORCH_ARG(bool, attend) = true;
  /// Prototype of the block; its channels and stride are filled in from the options above.
  TORCH_ARG(options_t<Block>, block);
  /// Prototype of the attention; its channels are filled in.
  TORCH_ARG(options_t<Attention>, attention);

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("attend", self.attend_);
    field("block", self.block_);
    field("attention", self.attention_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
template <typename Attention, typename Block = ConvBlock>
class AttendedImpl final : public torch::nn::Cloneable<AttendedImpl<Attention, Block>> {
 public:
  using Options = AttendedOptions<Attention, Block>;
  /// Whether networks of this block learn reversed labels by default: as the block alone says.
  static constexpr bool kTrainsReversed = detail::trains_reversed<Block>::value;

  explicit AttendedImpl(const Options& options_) : options(options_) { reset(); }

  void reset() override {
    auto block_options = options.block();
    block_options.in_channels(options.in_channels()).out_channels(options.out_channels()).stride(options.stride());
    block = this->register_module("block", Block(block_options));
    attention = nullptr;
    if (!options.attend()) return;
    auto attention_options = options.attention();
    attention_options.channels(options.out_channels());
    attention = this->register_module("attention", Attention(attention_options));
  }

  torch::Tensor forward(const torch::Tensor& input) { return forward_activation(input).tensor(); }

  /// The same for an `Activation`, whose last norm and ReLU may still have to be applied (kernels/activation.hpp).
  kernels::Activation forward_activation(const kernels::Activation& input) {
    const auto y = kernels::forward_activation(block, input);
    return options.attend() ? kernels::Activation(attention(y.tensor())) : y;
  }

  /// The smallest input side that leaves the block and the attention more than one pixel to normalise.
  [[nodiscard]] std::int64_t min_size() const {
    const auto plain = min_size_of(block, options.stride());
    if constexpr (detail::has_min_size<typename Attention::Impl>::value) {
      if (options.attend()) return std::max(plain, (attention->min_size() - 1) * options.stride() + 1);
    }
    return plain;
  }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "Attended", options, 2); }

  Options options;
  Block block{nullptr};
  Attention attention{nullptr};  ///< null with `attend(false)`
};

/// Holder of `AttendedImpl`, written out because PAM_MODULE does not take templates.
template <typename Attention, typename Block = ConvBlock>
class Attended : public torch::nn::ModuleHolder<AttendedImpl<Attention, Block>> {
 public:
  using Impl = AttendedImpl<Attention, Block>;
  PAM_MODULE_CONSTRUCTORS(Attended, "AttendedOptions<Attention>")
};

}  // namespace pam
