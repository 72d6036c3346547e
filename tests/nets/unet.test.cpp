// SPDX-License-Identifier: MIT
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/core/clone.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/unet.hpp>

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

static_assert(is_block_v<ConvBlock> && is_block_v<Fpa> && is_block_v<Rfna> && is_block_v<Lazy>);
static_assert(!is_block_v<ConvBlockImpl> && !is_block_v<torch::nn::Conv2d> && !is_block_v<int>);

}  // namespace nets_unet_test
