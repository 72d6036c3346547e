// SPDX-License-Identifier: MIT
#include <pam/layers/conv_norm_act.hpp>

#include "support/tensor_matchers.hpp"

namespace layers_conv_norm_act_test {

using namespace pam;
using pam::test::IsClose;

TEST_CASE("ConvNormAct is convolution, instance norm and ReLU, written out", "[layers]") {
  torch::manual_seed(1);
  ConvNormAct layer(ConvNormActOptions(3, 5).stride(2).dilation(3));
  torch::NoGradGuard no_grad;
  layer->norm->weight.normal_();
  layer->norm->bias.normal_();
  const auto x = torch::randn({2, 3, 21, 18});
  const auto y = torch::conv2d(x, layer->conv->weight, {}, 2, 3, 3);
  const auto mean = y.mean({2, 3}, true), variance = y.var({2, 3}, /*unbiased=*/false, true);
  const auto expected = torch::relu((y - mean) / (variance + 1e-5).sqrt() * layer->norm->weight.view({1, 5, 1, 1}) +
                                    layer->norm->bias.view({1, 5, 1, 1}));
  // float32 sums of 99 pixels in another order.
  REQUIRE_THAT(layer(x), IsClose(expected).rtol(1e-5).of_largest());
}

TEST_CASE("ConvNormAct takes a batch of zero samples", "[layers]") {
  ConvNormAct layer(ConvNormActOptions(3, 5));
  REQUIRE(layer(torch::randn({0, 3, 8, 8})).sizes() == at::IntArrayRef({0, 5, 8, 8}));
}

TEST_CASE("ConvNormAct refuses a 1x1 map, which LibTorch's instance norm takes silently", "[layers]") {
  ConvNormAct layer(ConvNormActOptions(3, 5).stride(2));
  REQUIRE_NOTHROW(layer(torch::randn({1, 3, 1, 3})));
  REQUIRE_THROWS_WITH(layer(torch::randn({1, 3, 2, 2})),
                      Catch::Contains("1x1") && Catch::Contains("[1, 3, 2, 2]") && Catch::Contains("larger image"));
}

TEST_CASE("ConvNormAct refuses impossible options with the values", "[layers]") {
  REQUIRE_THROWS_WITH(ConvNormAct(ConvNormActOptions(0, 5)), Catch::Contains("got 0 and 5"));
  REQUIRE_THROWS_WITH(ConvNormAct(ConvNormActOptions(3, 5).kernel_size(2)), Catch::Contains("odd"));
  REQUIRE_THROWS_WITH(ConvNormAct(ConvNormActOptions(3, 5).stride(0)), Catch::Contains("stride=0"));
  REQUIRE_THROWS_WITH(ConvNormAct(ConvNormActOptions(3, 5).depthwise(true)), Catch::Contains("depth-wise"));
  REQUIRE_THROWS_WITH(ConvNormAct(ConvNormActOptions(3, 5))(torch::randn({3, 8, 8})), Catch::Contains("(N, C, H, W)"));
}

TEST_CASE("ConvNormAct prints what was asked for", "[layers]") {
  ConvNormAct layer(ConvNormActOptions(4, 4).stride(2).depthwise(true));
  REQUIRE(c10::str(layer).rfind("pam::ConvNormAct(4, 4, stride=2, depthwise=true)(", 0) == 0);
}

}  // namespace layers_conv_norm_act_test
