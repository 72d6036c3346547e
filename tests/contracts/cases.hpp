// SPDX-License-Identifier: MIT
/// What the contract tests run over. A new block, attention or net is one line in one of the lists at the end.
#pragma once

#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/gated_block.hpp>
#include <pam/attention/gather_excite.hpp>
#include <pam/attention/global_context.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/gated_skip.hpp>
#include <pam/nets/unet.hpp>

#include "support/bottleneck.hpp"

#include <tuple>

namespace pam::test {

/// How a case differs from the default options.
struct Defaults {
  template <typename Options>
  static void set(Options&) {}
};
struct Section43 {
  template <typename Options>
  static void set(Options& o) {
    o.section43();
  }
};
struct Section33 {
  template <typename Options>
  static void set(Options& o) {
    o.section33();
  }
};
struct Released {
  template <typename Options>
  static void set(Options& o) {
    o.released();
  }
};
struct NoIdentity {
  template <typename Options>
  static void set(Options& o) {
    o.identity(false);
  }
};
struct NoBranch {
  template <typename Options>
  static void set(Options& o) {
    o.branch(false);
  }
};
struct ReadsInput {
  template <typename Options>
  static void set(Options& o) {
    o.input(BranchInput::Input).ratio(2).prune_convolutions(false).share_weights(false);
  }
};
struct Ratio4 {
  template <typename Options>
  static void set(Options& o) {
    o.ratio(4);
  }
};
struct Ratio2Full {
  template <typename Options>
  static void set(Options& o) {
    o.ratio(2).depthwise(false).expansion(1);
  }
};
struct Original {
  template <typename Options>
  static void set(Options& o) {
    o.original();
  }
};
struct NoAttention {
  template <typename Options>
  static void set(Options& o) {
    o.attend(false);
  }
};
struct LastStagePlain {
  template <typename Options>
  static void set(Options& o) {
    o.stages().resize(3);
    o.stages()[2].attend(false);
  }
};

/// A block with 3 input channels, 6 output channels and stride 2, its other options set by `Preset`.
template <typename Block, typename Preset = Defaults>
struct BlockCase {
  using Holder = Block;
  static options_t<Block> options() {
    options_t<Block> o;
    Preset::set(o);
    o.in_channels(3).out_channels(6).stride(2);
    return o;
  }
  static Holder make() { return Holder(options()); }
  static torch::Tensor input(torch::Dtype dtype = torch::kFloat) { return torch::randn({2, 3, 37, 35}).to(dtype); }
};

/// An attention over 8 channels.
template <typename Attention, typename Preset = Defaults>
struct AttentionCase {
  using Holder = Attention;
  static options_t<Attention> options() {
    options_t<Attention> o;
    Preset::set(o);
    o.channels(8);
    return o;
  }
  static Holder make() { return Holder(options()); }
  static torch::Tensor input(torch::Dtype dtype = torch::kFloat) { return torch::randn({2, 8, 19, 17}).to(dtype); }
};

/// A net of width 4 with 2 input channels, on the odd size `Side` x (Side + 2).
template <typename Net, int Side, typename Preset = Defaults>
struct NetCase {
  using Holder = Net;
  static typename Net::Impl::Options options() {
    typename Net::Impl::Options o(2, 1);
    Preset::set(o);
    o.width(4);
    return o;
  }
  static Holder make() { return Holder(options()); }
  static torch::Tensor input(torch::Dtype dtype = torch::kFloat) {
    return torch::randn({2, 2, Side, Side + 2}).to(dtype);
  }
};

using Fpa = FalsePositiveAttention;
using Rfna = ReverseFalseNegativeAttention;
using FpaBranch = FalsePositiveBranch;
using RfnaBranch = ReverseFalseNegativeBranch;

using Blocks = std::tuple<BlockCase<ConvNormAct>, BlockCase<ConvBlock>, BlockCase<DilatedBlock>, BlockCase<Fpa>,
                          BlockCase<Fpa, Section43>, BlockCase<Fpa, Released>, BlockCase<Fpa, NoIdentity>,
                          BlockCase<Fpa, NoBranch>, BlockCase<Rfna>, BlockCase<Rfna, Section33>,
                          BlockCase<Rfna, Released>, BlockCase<Rfna, NoIdentity>, BlockCase<Rfna, NoBranch>,
                          BlockCase<Rfna, Ratio4>, BlockCase<Rfna, Ratio2Full>, BlockCase<Attended<SqueezeExcite>>,
                          BlockCase<Attended<SqueezeExcite>, NoAttention>, BlockCase<Attended<CBAM, DilatedBlock>>,
                          BlockCase<FpaBranch>, BlockCase<RfnaBranch, ReadsInput>, BlockCase<GatedBlock<Bottleneck>>,
                          BlockCase<GatedBlock<Bottleneck, RfnaBranch>, NoIdentity>>;

using Attentions =
    std::tuple<AttentionCase<SqueezeExcite>, AttentionCase<SqueezeExcite, Original>,
               AttentionCase<SpatialChannelSqueezeExcite>, AttentionCase<SpatialChannelSqueezeExcite, Original>,
               AttentionCase<CBAM>, AttentionCase<CBAM, Original>, AttentionCase<GlobalContext>,
               AttentionCase<GlobalContext, Original>, AttentionCase<GatherExcite>,
               AttentionCase<GatherExcite, Original>>;

using Nets =
    std::tuple<NetCase<UNet<ConvBlock>, 17>, NetCase<UNet<DilatedBlock, ConvBlock>, 17>,
               NetCase<UNet<ConvBlock, ConvBlock, ConvBlock, GatedSkip>, 17>,
               NetCase<UNet<Attended<CBAM>, Attended<CBAM>, ConvBlock, ConcatSkip, Attended<CBAM>>, 17, LastStagePlain>,
               NetCase<UNet<Fpa>, 17>, NetCase<UNet<Rfna>, 65>, NetCase<UNet<GatedBlock<Bottleneck>>, 17>>;

/// One tuple of all.
template <typename... Tuples>
using Concat = decltype(std::tuple_cat(std::declval<Tuples>()...));
using Everything = Concat<Blocks, Attentions, Nets>;

}  // namespace pam::test
