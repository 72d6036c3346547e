// SPDX-License-Identifier: MIT
#include <pam/attention/attended.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/core/clone.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/gated_skip.hpp>
#include <pam/nets/unet.hpp>

#include "support/convolution_scope.hpp"
#include "support/tensor_matchers.hpp"

namespace nets_unet_test {

using namespace pam;
using Fpa = FalsePositiveAttention;
using Rfna = ReverseFalseNegativeAttention;

template <typename Options>
std::int64_t parameters(Options options) {
  UNet net(options);
  std::int64_t count = 0;
  for (const auto& p : net->parameters()) count += p.numel();
  return count;
}

TEST_CASE("parameter counts at 4 input channels are the paper's, to the unit", "[nets]") {
  REQUIRE(parameters(UNetOptions<ConvBlock>(4, 1)) == 3129248);
  REQUIRE(parameters(UNetOptions<ConvBlock>(4, 1).width(64)) == 12506944);
  REQUIRE(parameters(UNetOptions<DilatedBlock, ConvBlock>(4, 1)) == 3129248);
  REQUIRE(parameters(UNetOptions<Fpa>(4, 1)) == 4200608);
  REQUIRE(parameters(UNetOptions<Rfna>(4, 1)) == 5627296);
  REQUIRE(parameters(UNetOptions<Fpa, ConvBlock>(4, 1).stage(FalsePositiveAttentionOptions().section43())) == 4033312);
  REQUIRE(parameters(UNetOptions<Rfna, ConvBlock>(4, 1).stage(ReverseFalseNegativeAttentionOptions().section33())) ==
          3860384);
}

TEST_CASE("min_size says what the paper's nets need", "[nets]") {
  REQUIRE(UNet(UNetOptions<ConvBlock>(1, 1).width(4))->min_size() == 9);
  REQUIRE(UNet(UNetOptions<Fpa>(1, 1).width(4))->min_size() == 9);
  REQUIRE(UNet(UNetOptions<Rfna>(1, 1).width(4))->min_size() == 65);
  REQUIRE(UNet(UNetOptions<Rfna, ConvBlock>(1, 1).width(4))->min_size() == 65);
  REQUIRE(UNet(UNetOptions<ConvBlock>(1, 1).width(4).depth(4))->min_size() == 17);
}

/// The net's forward pass without its check of the size: the parts alone.
template <typename Net>
torch::Tensor unchecked_forward(Net& net, std::int64_t side) {
  std::vector<torch::Tensor> features{net->stem(torch::randn({1, 1, side, side}))};
  for (auto& stage : net->stages) features.push_back(stage(features.back()));
  auto y = net->bridge(features.back());
  for (auto level = net->stages.size(); level-- > 0;) y = net->decoders[level](net->skips[level](y, features[level]));
  return net->head(y);
}

/// Requires that `expected` is what the net says, that its parts work there, and that they do not one pixel below.
template <typename Options>
void check_min_size(Options options, std::int64_t expected) {
  CAPTURE(expected);
  torch::NoGradGuard no_grad;
  UNet net(options.in_channels(1).classes(1).width(4));
  REQUIRE(net->min_size() == expected);
  REQUIRE(unchecked_forward(net, expected).size(3) == expected);
  REQUIRE_THROWS_AS(unchecked_forward(net, expected - 1), Error);
  REQUIRE(net(torch::randn({1, 1, expected, expected + 3})).size(3) == expected + 3);
  REQUIRE_THROWS_WITH(net(torch::randn({1, 1, expected - 1, expected})), Catch::Contains("min_size"));
}

TEST_CASE("min_size is the smallest side that every part takes, decoders and skips too", "[nets]") {
  check_min_size(UNetOptions<ConvBlock>(), 9);
  check_min_size(UNetOptions<ConvBlock, ConvBlock, Rfna>(), 33);  // 9 pixels at level 2: 8 * 4 + 1
  check_min_size(UNetOptions<Fpa, ConvBlock, Fpa>(), 9);
  check_min_size(UNetOptions<Rfna, ConvBlock, Rfna>(), 65);  // the stages decide: 17 pixels at level 2
  using Ratio = ReverseFalseNegativeAttentionOptions;
  UNetOptions<ConvBlock, ConvBlock, Rfna> levels;
  check_min_size(levels.decoders({Ratio().ratio(8), Ratio().ratio(8), Ratio().ratio(1)}), 17);
  check_min_size(levels.depth(1).decoders({Ratio().ratio(4)}), 5);
  check_min_size(UNetOptions<ConvBlock, ConvBlock, ConvBlock, ConcatSkip, Rfna>().depth(1), 9);
  using Gated = UNetOptions<ConvBlock, ConvBlock, ConvBlock, GatedSkip>;
  const auto gate = [](std::int64_t step, bool norm) {
    return GatedSkipOptions().gate(AttentionGateOptions().theta_stride(step).norm(norm));
  };
  check_min_size(Gated().skips({gate(1, true)}), 9);
  check_min_size(Gated().skips({gate(2, true)}), 13);
  check_min_size(Gated().skips({gate(4, true)}), 29);
  check_min_size(Gated().skips({gate(4, false)}), 13);
  check_min_size(Gated().skips({gate(16, true), gate(2, true), gate(8, true).gated(false)}), 32);
}

TEST_CASE("UNet takes classes, depth and a prototype per level", "[nets]") {
  UNetOptions<Fpa> options(2, 3);
  options.width(4).depth(2).stages({FalsePositiveAttentionOptions().dilation(3), FalsePositiveAttentionOptions()});
  UNet net(options);
  REQUIRE(net(torch::randn({1, 2, 20, 31})).sizes() == at::IntArrayRef({1, 3, 20, 31}));
  REQUIRE(net->stages.size() == 2);
  REQUIRE(net->stages[0]->options.dilation() == 3);
  REQUIRE(net->stages[1]->options.dilation() == 9);
  options.stages({{}, {}, {}});
  REQUIRE_THROWS_WITH(UNet(options), Catch::Contains("stages") && Catch::Contains("one per level (2), got 3"));
}

TEST_CASE("a clone of a UNet holds its own blocks, not the original's", "[nets]") {
  UNet net(UNetOptions<ConvBlock>(1, 1).width(4));
  auto copy = typed_clone(net);
  REQUIRE(copy->stages.size() == 3);
  REQUIRE(copy->stages[0].get() != net->stages[0].get());
  REQUIRE(copy->decoders[2].get() != net->decoders[2].get());
}

TEST_CASE("reversed labels follow the block and are binary", "[nets]") {
  REQUIRE(UNet(UNetOptions<Rfna>(1, 1).width(4))->options.reversed());
  REQUIRE(!UNet(UNetOptions<Fpa>(1, 1).width(4))->options.reversed());
  REQUIRE((UNetOptions<Attended<SqueezeExcite, Rfna>, ConvBlock>(1, 1).reversed()));
  REQUIRE((!UNetOptions<Attended<SqueezeExcite, Fpa>, ConvBlock>(1, 1).reversed()));
  REQUIRE_THROWS_WITH(UNet(UNetOptions<Rfna>(1, 3).width(4)),
                      Catch::Contains("classes=3") && Catch::Contains("binary"));
  REQUIRE_NOTHROW(UNet(UNetOptions<Rfna>(1, 3).width(4).reversed(false)));

  UNet net(UNetOptions<ConvBlock>(1, 1).width(4).reversed(true));
  const auto x = torch::randn({1, 1, 16, 16});
  // 1 - sigmoid against sigmoid(-z): float32 rounding near 1.
  REQUIRE_THAT(net->probabilities(x), test::IsClose(1 - torch::sigmoid(net(x))).atol(1e-6));
}

TEST_CASE("UNet goes into AnyModule and Sequential", "[nets]") {
  UNet net(UNetOptions<ConvBlock>(1, 1).width(4));
  const auto x = torch::randn({1, 1, 16, 16});
  torch::nn::AnyModule any(net);
  REQUIRE(torch::equal(any.forward(x), net(x)));
  torch::nn::Sequential sequence(net);
  REQUIRE(torch::equal(sequence->forward(x), net(x)));
}

TEST_CASE("UNet refuses wrong channels, and options that make no net", "[nets]") {
  UNet net(UNetOptions<ConvBlock>(4, 1).width(4));
  REQUIRE_THROWS_WITH(net(torch::randn({1, 3, 32, 32})), Catch::Contains("4 channels") && Catch::Contains("got 3"));
  REQUIRE_THROWS_WITH(UNet(UNetOptions<ConvBlock>(0, 1)), Catch::Contains("in_channels"));
  REQUIRE_THROWS_WITH(UNet(UNetOptions<ConvBlock>(1, 1).depth(0)), Catch::Contains("depth"));
}

// A block with a stride option that it forgets to use: compiles, so the net must catch it.
struct LazyImpl final : torch::nn::Cloneable<LazyImpl> {
  using Options = ConvBlockOptions;
  explicit LazyImpl(const Options& o) : options(o) { reset(); }
  void reset() override {
    block = register_module("block", ConvBlock(ConvBlockOptions(options.in_channels(), options.out_channels())));
  }
  torch::Tensor forward(const torch::Tensor& x) { return block(x); }
  Options options;
  ConvBlock block{nullptr};
};
TORCH_MODULE(Lazy);

TEST_CASE("UNet names the stage whose block ignores its stride", "[nets]") {
  UNet net(UNetOptions<Lazy, ConvBlock>(1, 1).width(4));
  REQUIRE_THROWS_WITH(net(torch::randn({1, 1, 32, 32})), Catch::Contains("stage1") && Catch::Contains("stride"));
}

// A block that is built and called as one, and hands its input through.
struct IdleImpl final : torch::nn::Cloneable<IdleImpl> {
  using Options = ConvBlockOptions;
  explicit IdleImpl(const Options&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Idle);
// A bridge of right channels and half the size.
struct HalvingImpl final : torch::nn::Cloneable<HalvingImpl> {
  using Options = ConvBlockOptions;
  explicit HalvingImpl(const Options&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return torch::avg_pool2d(x, 2); }
};
TORCH_MODULE(Halving);
// A skip that forgets the encoder's features.
struct DeepOnlyImpl final : torch::nn::Cloneable<DeepOnlyImpl> {
  using Options = ConcatSkipOptions;
  explicit DeepOnlyImpl(const Options&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& deep, const torch::Tensor& skip) {
    return kernels::upsample(deep, skip.sizes().slice(2));
  }
};
TORCH_MODULE(DeepOnly);

TEST_CASE("UNet names the part that returns another shape than its options say", "[nets]") {
  const auto said = [](auto options) {
    UNet net(options.in_channels(1).width(4));
    try {
      net(torch::randn({1, 1, 32, 33}));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  using Catch::Contains;
  REQUIRE_THAT(said(UNetOptions<ConvBlock, ConvBlock, ConvBlock, ConcatSkip, Idle>()),
               Contains("UNet: stem returned [1, 1, 32, 33]") && Contains("must return 4 channels"));
  REQUIRE_THAT(said(UNetOptions<ConvBlock, Halving>()),
               Contains("UNet: bridge returned [1, 32, 2, 2]") && Contains("32 channels and the same size"));
  REQUIRE_THAT(said(UNetOptions<ConvBlock, ConvBlock, Idle>()),
               Contains("UNet: decoder2 returned [1, 48, 8, 9]") && Contains("must return 16 channels"));
  REQUIRE_THAT(said(UNetOptions<ConvBlock, ConvBlock, ConvBlock, DeepOnly>()),
               Contains("UNet: skip2 returned [1, 32, 8, 9]") && Contains("must return 48 channels"));
}

// A block of a user's own: gets and returns tensors. That of its input may be read by others, too.
struct OwnImpl final : torch::nn::Cloneable<OwnImpl> {
  using Options = ConvBlockOptions;
  explicit OwnImpl(const Options& o) : options(o) { reset(); }
  void reset() override { block = register_module("block", ConvBlock(options)); }
  torch::Tensor forward(const torch::Tensor& x) {
    const auto y = block(x);
    return y + y.mean({2, 3}, /*keepdim=*/true);
  }
  Options options;
  ConvBlock block{nullptr};
};
TORCH_MODULE(Own);

/// The net in channels-last inference, where norms and concatenations are left to the next convolution, against its
/// parts run one after the other on tensors by the reference backend.
template <typename Options>
void check_activations(const Options& options, const std::vector<std::int64_t>& size) {
  const torch::NoGradGuard no_grad;
  const SeedScope seed(5);
  UNet net(options);
  to_memory_format(*net, at::MemoryFormat::ChannelsLast);
  const auto x = torch::randn({2, 3, size[0], size[1]}).contiguous(at::MemoryFormat::ChannelsLast);
  const test::ConvolutionScope winograd(kernels::Convolution::Winograd);
  const auto y = net(x);
  CAPTURE(size, shape_string(y));
  const auto before = kernels::default_backend();
  kernels::set_default_backend(kernels::Backend::Reference);
  std::vector<torch::Tensor> features{net->stem(x)};
  for (auto& stage : net->stages) features.push_back(stage(features.back()));
  auto expected = net->bridge(features.back());
  for (auto level = net->stages.size(); level-- > 0;) {
    expected = net->decoders[level](net->skips[level](expected, features[level]));
  }
  expected = net->head(expected);
  kernels::set_default_backend(before);
  // Both are float32; whole nets by Winograd's method are held to 1e-4 of the largest entry.
  REQUIRE_THAT(y, test::IsClose(expected).rtol(1e-4).of_largest());
  REQUIRE_THAT(typed_clone(net)(x), test::IsClose(y).atol(0));
}

TEST_CASE("a UNet whose layers leave norms to each other equals its parts run one by one", "[nets]") {
  for (const auto& size : std::vector<std::vector<std::int64_t>>{{32, 32}, {29, 43}, {17, 40}}) {
    for (const std::int64_t width : {16, 6}) {  // 6: channels that no vector divides, at any level
      check_activations(UNetOptions<ConvBlock>(3, 1).width(width), size);
      check_activations(UNetOptions<ConvBlock>(3, 6).width(width).depth(2), size);
    }
    check_activations(UNetOptions<Fpa>(3, 2).width(16).depth(2), size);
    check_activations(UNetOptions<Rfna, ConvBlock>(3, 1).width(16).depth(1), size);
    check_activations(UNetOptions<Own>(3, 1).width(16), size);
    check_activations(UNetOptions<ConvBlock, ConvBlock, Own>(3, 1).width(16), size);
    check_activations(UNetOptions<ConvBlock, ConvBlock, ConvBlock, GatedSkip>(3, 1).width(16), size);
    check_activations(UNetOptions<ConvBlock, ConvBlock, ConvBlock, ConcatSkip, Own>(3, 1).width(16), size);
    check_activations(UNetOptions<Attended<SqueezeExcite>, DilatedBlock>(3, 1).width(16), size);
  }
}

TEST_CASE("a UNet computes with a head that was put in its place", "[nets]") {
  const torch::NoGradGuard no_grad;
  UNet net(UNetOptions<ConvBlock>(3, 1).width(16));
  const auto x = torch::randn({1, 3, 16, 16}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = net(x);
  net->head->bias = torch::full({1}, 2.f);
  REQUIRE_THAT(net(x), test::IsClose(y + 2).atol(1e-5));  // a few roundings of numbers of about 2
}

static_assert(is_block_v<ConvBlock> && is_block_v<Fpa> && is_block_v<Rfna> && is_block_v<Lazy>);
static_assert(!is_block_v<ConvBlockImpl> && !is_block_v<torch::nn::Conv2d> && !is_block_v<int>);

}  // namespace nets_unet_test
