// SPDX-License-Identifier: MIT
/// The two networks that the paper's authors released (UNet and ERFANet), for parity alone. They differ from the
/// paper's: a single-convolution stem, a fourth decoder stage, a head with bias, and a crop. Their bridge keeps the
/// size, so its upsampling is twice as large as the skip; "fixing" that with a negative padding cuts out the centre, a
/// quarter of the map. Children carry the authors' names.
#pragma once

#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/kernels/upsample.hpp>
#include <pam/layers/conv_block.hpp>

#include <type_traits>

namespace pam::test {

struct ReleasedNetOptions {
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, classes) = 1;
  TORCH_ARG(std::int64_t, width) = 32;
  TORCH_ARG(std::int64_t, dilation) = 9;
};

inline torch::Tensor doubled(const torch::Tensor& x) { return kernels::upsample(x, {2 * x.size(2), 2 * x.size(3)}); }

/// The centre of `x` at the size of `like`; an odd excess takes one more from the top and left.
inline torch::Tensor centre(const torch::Tensor& x, const torch::Tensor& like) {
  const auto rows = x.size(2) - like.size(2), columns = x.size(3) - like.size(3);
  return x.slice(2, (rows + 1) / 2, (rows + 1) / 2 + like.size(2))
      .slice(3, (columns + 1) / 2, (columns + 1) / 2 + like.size(3));
}

inline ConvNormAct single_conv(std::int64_t in, std::int64_t out) { return ConvNormAct(ConvNormActOptions(in, out)); }

template <typename Block>
Block released_block(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t dilation) {
  auto options = typename Block::Impl::Options(in, out).stride(stride).released();
  if constexpr (std::is_same_v<Block, FalsePositiveAttention>) options.dilation(dilation);
  return Block(options);
}

/// The authors' UNet.
class ReleasedUNetImpl final : public torch::nn::Module {
 public:
  explicit ReleasedUNetImpl(const ReleasedNetOptions& o) {
    const auto w = o.width();
    econv0 = register_module("econv0", single_conv(o.in_channels(), w));
    econv1 = register_module("econv1", ConvBlock(ConvBlockOptions(w, 2 * w).stride(2)));
    econv2 = register_module("econv2", ConvBlock(ConvBlockOptions(2 * w, 4 * w).stride(2)));
    econv3 = register_module("econv3", ConvBlock(ConvBlockOptions(4 * w, 8 * w).stride(2)));
    bridge = register_module("bridge", ConvBlock(ConvBlockOptions(8 * w, 8 * w)));
    dconv3 = register_module("dconv3", ConvBlock(ConvBlockOptions(16 * w, 4 * w)));
    dconv2 = register_module("dconv2", ConvBlock(ConvBlockOptions(8 * w, 2 * w)));
    dconv1 = register_module("dconv1", ConvBlock(ConvBlockOptions(4 * w, w)));
    dconv0 = register_module("dconv0", ConvBlock(ConvBlockOptions(2 * w, w)));
    dconv_last = register_module("dconv_last", torch::nn::Conv2d(torch::nn::Conv2dOptions(w, o.classes(), 1)));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const auto x0 = econv0(x), x1 = econv1(x0), x2 = econv2(x1), x3 = econv3(x2);
    auto y = dconv3(torch::cat({centre(doubled(bridge(x3)), x3), x3}, 1));
    y = dconv2(torch::cat({doubled(y), x2}, 1));
    y = dconv1(torch::cat({doubled(y), x1}, 1));
    y = dconv0(torch::cat({doubled(y), x0}, 1));
    return dconv_last(y);
  }

  ConvNormAct econv0{nullptr};
  ConvBlock econv1{nullptr}, econv2{nullptr}, econv3{nullptr}, bridge{nullptr};
  ConvBlock dconv3{nullptr}, dconv2{nullptr}, dconv1{nullptr}, dconv0{nullptr};
  torch::nn::Conv2d dconv_last{nullptr};
};
TORCH_MODULE(ReleasedUNet);

/// The authors' ERFANet in its only mode that can be built: attention in the encoder and the bridge.
template <typename Block>
class ReleasedErfaImpl final : public torch::nn::Module {
 public:
  explicit ReleasedErfaImpl(const ReleasedNetOptions& o) {
    const auto w = o.width(), d = o.dilation();
    econv0 = register_module("econv0", single_conv(o.in_channels(), w));
    econv1 = register_module("econv1", released_block<Block>(w, 2 * w, 2, d));
    econv2 = register_module("econv2", released_block<Block>(2 * w, 4 * w, 2, d));
    econv3 = register_module("econv3", released_block<Block>(4 * w, 8 * w, 2, d));
    bridge = register_module("bridge", released_block<Block>(8 * w, 8 * w, 1, d));
    bridge_smooth = register_module("bridge_smooth", single_conv(8 * w, 8 * w));
    decoder3 = register_module("decoder3", ConvBlock(ConvBlockOptions(4 * w, 4 * w)));
    decoder2 = register_module("decoder2", ConvBlock(ConvBlockOptions(2 * w, 2 * w)));
    decoder1 = register_module("decoder1", ConvBlock(ConvBlockOptions(w, w)));
    decoder0 = register_module("decoder0", ConvBlock(ConvBlockOptions(w, w)));
    smooth3 = register_module("smooth3", single_conv(16 * w, 4 * w));
    smooth2 = register_module("smooth2", single_conv(8 * w, 2 * w));
    smooth1 = register_module("smooth1", single_conv(4 * w, w));
    smooth0 = register_module("smooth0", single_conv(2 * w, w));
    conv_last = register_module("conv_last", torch::nn::Conv2d(torch::nn::Conv2dOptions(w, o.classes(), 1)));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const auto x0 = econv0(x), x1 = econv1(x0), x2 = econv2(x1), x3 = econv3(x2);
    auto y = torch::cat({centre(bridge_smooth(doubled(bridge(x3))), x3), x3}, 1);
    y = torch::cat({decoder3(smooth3(doubled(y))), x2}, 1);
    y = torch::cat({decoder2(smooth2(doubled(y))), x1}, 1);
    y = torch::cat({decoder1(smooth1(doubled(y))), x0}, 1);
    return conv_last(decoder0(smooth0(y)));
  }

  ConvNormAct econv0{nullptr}, bridge_smooth{nullptr};
  Block econv1{nullptr}, econv2{nullptr}, econv3{nullptr}, bridge{nullptr};
  ConvBlock decoder3{nullptr}, decoder2{nullptr}, decoder1{nullptr}, decoder0{nullptr};
  ConvNormAct smooth3{nullptr}, smooth2{nullptr}, smooth1{nullptr}, smooth0{nullptr};
  torch::nn::Conv2d conv_last{nullptr};
};

template <typename Block>
class ReleasedErfa : public torch::nn::ModuleHolder<ReleasedErfaImpl<Block>> {
 public:
  using torch::nn::ModuleHolder<ReleasedErfaImpl<Block>>::ModuleHolder;
};

}  // namespace pam::test
