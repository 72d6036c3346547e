// SPDX-License-Identifier: MIT
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/core/options_json.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_spatial_channel_squeeze_excite_test {

using namespace pam;
using pam::test::IsClose;
using Options = SpatialChannelSqueezeExciteOptions;

TEST_CASE("scSE fuses a channel gate and a pixel gate: sum in the paper, maximum in the original", "[attention]") {
  torch::manual_seed(1);
  for (const bool original : {false, true}) {
    Options options(16);
    if (original) options.original();
    SpatialChannelSqueezeExcite module(options);
    const std::int64_t inner = original ? 8 : 2;
    const auto x = torch::randn({2, 16, 5, 7});
    const auto bias = [&](const torch::nn::Conv2d& conv) { return original ? conv->bias : torch::zeros({1}); };
    const auto hidden =
        torch::relu(x.mean({2, 3}).matmul(module->squeeze->weight.view({inner, 16}).t()) + bias(module->squeeze));
    const auto channel =
        torch::sigmoid(hidden.matmul(module->expand->weight.view({16, inner}).t()) + bias(module->expand))
            .view({2, 16, 1, 1});
    const auto pixel =
        torch::sigmoid((x * module->spatial->weight.view({1, 16, 1, 1})).sum(1, true) + bias(module->spatial));
    const auto expected = original ? torch::maximum(x * channel, x * pixel) : x * channel + x * pixel;
    REQUIRE_THAT(module(x), IsClose(expected).rtol(1e-6).of_largest());  // two orders of summation
    module->inspect(true);
    const auto y = module(x);
    // The recorded map explains the output: X * A is Y, for both fusions and both signs of X.
    REQUIRE_THAT(x * module->record().attention, IsClose(y).rtol(1e-6).of_largest());
  }
}

TEST_CASE("scSE's presets hold the constants of the authors and of Roy et al.", "[attention]") {
  REQUIRE(Options().original().paper() == Options());
  REQUIRE(Options() == Options().reduction(8).bias(false).fusion(SqueezeFusion::Sum).residual(false));
  REQUIRE(Options().original() == Options().reduction(2).bias(true).fusion(SqueezeFusion::Max));
}

TEST_CASE("scSE's residual adds the input, and its fusion is read by name", "[attention]") {
  torch::manual_seed(2);
  SpatialChannelSqueezeExcite plain(Options(4)), residual(Options(4).residual(true));
  torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < 3; ++i) residual->parameters()[i].copy_(plain->parameters()[i]);
  const auto x = torch::randn({1, 4, 3, 3});
  REQUIRE_THAT(residual(x), IsClose(plain(x) + x).rtol(1e-6).of_largest());
  Options options;
  options_from_json({{"fusion", "max"}}, options, "x");
  REQUIRE(options.fusion() == SqueezeFusion::Max);
  REQUIRE_THROWS_WITH(options_from_json({{"fusion", "mean"}}, options, "x"),
                      Catch::Contains("x.fusion") && Catch::Contains("\"sum\" or \"max\""));
}

}  // namespace attention_spatial_channel_squeeze_excite_test
