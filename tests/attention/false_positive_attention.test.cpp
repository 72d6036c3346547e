// SPDX-License-Identifier: MIT
#include <pam/attention/false_positive_attention.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_false_positive_attention_test {

using namespace pam;
using pam::test::IsClose;

FalsePositiveAttentionOptions small() { return FalsePositiveAttentionOptions(3, 4).stride(2).dilation(3); }

TEST_CASE("FalsePositiveAttention is equation 1 written out: Y = F * A + F, A = sigmoid(P(D(D(E(X)))))",
          "[attention]") {
  torch::manual_seed(1);
  for (const bool depthwise : {true, false}) {
    FalsePositiveAttention block(small().depthwise(depthwise));
    const auto x = torch::randn({2, 3, 24, 20});
    const auto width = 16, groups = depthwise ? 16 : 1;
    auto a = torch::conv2d(x, block->branch->expand->weight, {}, 2);
    for (int i = 0; i < 2; ++i) {
      a = torch::conv2d(a, block->branch->dilated->conv->weight, {}, 1, 3, 3, groups);
      a = torch::relu(torch::instance_norm(a, torch::ones(width), torch::zeros(width), {}, {}, true, 0.1, 1e-5, false));
    }
    a = torch::sigmoid(torch::conv2d(a, block->branch->project->weight));
    const auto f = block->main(x);
    // The fused path sums in another order: float32 rounding.
    REQUIRE_THAT(block(x), IsClose(f * a + f).rtol(1e-5).of_largest());

    block->inspect(true);
    REQUIRE_THAT(block(x), IsClose(f * a + f).rtol(1e-5).of_largest());
    REQUIRE_THAT(block->record().attention, IsClose(a).rtol(1e-5).of_largest());
    REQUIRE_THAT(block->record().features, IsClose(f).rtol(1e-5).of_largest());
  }
}

TEST_CASE("without identity FPA returns F * A, without the branch F", "[attention]") {
  FalsePositiveAttention gated(small().identity(false));
  gated->inspect(true);
  const auto x = torch::randn({1, 3, 24, 20});
  const auto y = gated(x);
  REQUIRE_THAT(y, IsClose(gated->record().features * gated->record().attention).rtol(1e-6).of_largest());
  FalsePositiveAttention plain(small().branch(false));
  REQUIRE(torch::equal(plain(x), plain->main(x)));
  REQUIRE(plain->parameters().size() == ConvBlock(ConvBlockOptions(3, 4))->parameters().size());
}

TEST_CASE("FPA's branch sees 4 * dilation pixels beyond the centre: the receptive field that the paper claims",
          "[attention]") {
  FalsePositiveAttention block(FalsePositiveAttentionOptions(1, 1).dilation(9));
  auto x = torch::randn({1, 1, 61, 61}, torch::kDouble).requires_grad_();
  block->to(torch::kDouble);
  // The convolutions alone: instance norm would make every pixel see every other.
  auto& d = block->branch->dilated;
  block->branch->project(d->convolve(d->convolve(block->branch->expand(x)))).index({0, 0, 30, 30}).backward();
  const auto rows = (x.grad()[0][0].abs().sum(1) > 0).nonzero();
  REQUIRE(rows.min().item<std::int64_t>() == 30 - 18);
  REQUIRE(rows.max().item<std::int64_t>() == 30 + 18);
}

TEST_CASE("FPA's presets only set plain options", "[attention]") {
  REQUIRE(FalsePositiveAttentionOptions().section43().table5() == FalsePositiveAttentionOptions());
  REQUIRE(FalsePositiveAttentionOptions().section43() == FalsePositiveAttentionOptions().depthwise(false).expansion(1));
  REQUIRE(FalsePositiveAttentionOptions().released() == FalsePositiveAttentionOptions().share_weights(false));
  REQUIRE(c10::str(FalsePositiveAttention(small().section43()))
              .rfind("pam::FalsePositiveAttention(3, 4, stride=2, dilation=3, expansion=1, depthwise=false)", 0) == 0);
  REQUIRE_THROWS_WITH(FalsePositiveAttention(small().expansion(0)),
                      Catch::Contains("expansion") && Catch::Contains("0"));
}

TEST_CASE("FPA in channels-last gives the values and the layout that it gives with gradients", "[attention]") {
  torch::manual_seed(3);
  for (const std::int64_t stride : {1, 2}) {
    FalsePositiveAttention block(FalsePositiveAttentionOptions(16, 24).stride(stride).dilation(2));
    const auto x = torch::randn({2, 16, 21, 18}).contiguous(at::MemoryFormat::ChannelsLast);
    const auto planes = block(x.contiguous()).detach();
    const auto training = block(x).detach();
    const torch::NoGradGuard no_grad;  // inference: the branch's products write planes and read them
    const auto inference = block(x);
    REQUIRE(inference.is_contiguous(at::MemoryFormat::ChannelsLast));
    // Sums of 16 to 96 float32 products in three orders, through four norms.
    CHECK((inference - planes).abs().max().item<double>() < 2e-5);
    CHECK((training - planes).abs().max().item<double>() < 2e-5);
  }
}

}  // namespace attention_false_positive_attention_test
