// SPDX-License-Identifier: MIT
#include <pam/attention/squeeze_excite.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_squeeze_excite_test {

using namespace pam;
using pam::test::IsClose;

TEST_CASE("SqueezeExcite is X * sigmoid(W2 relu(W1 mean(X))) + X, written with matrix products", "[attention]") {
  torch::manual_seed(1);
  for (const bool original : {false, true}) {
    SqueezeExciteOptions options(32);
    if (original) options.original();
    SqueezeExcite module(options);
    const auto x = torch::randn({2, 32, 5, 7});
    auto hidden = x.mean({2, 3}).matmul(module->squeeze->weight.view({original ? 2 : 4, 32}).t());
    if (original) hidden = hidden + module->squeeze->bias;
    auto logits = torch::relu(hidden).matmul(module->expand->weight.view({32, original ? 2 : 4}).t());
    if (original) logits = logits + module->expand->bias;
    const auto a = torch::sigmoid(logits).view({2, 32, 1, 1});
    // Two orders of summation in float32.
    REQUIRE_THAT(module(x), IsClose(original ? x * a : x * a + x).rtol(1e-6).of_largest());
    module->inspect(true);
    module(x);
    REQUIRE_THAT(module->record().attention, IsClose(a).rtol(1e-6).of_largest());
    REQUIRE(torch::equal(module->record().features, x));
  }
}

TEST_CASE("SqueezeExcite's presets hold the constants of the authors and of SENet", "[attention]") {
  REQUIRE(SqueezeExciteOptions().original().paper() == SqueezeExciteOptions());
  REQUIRE(SqueezeExciteOptions() == SqueezeExciteOptions().reduction(8).bias(false).residual(true));
  REQUIRE(SqueezeExciteOptions().original() == SqueezeExciteOptions().reduction(16).bias(true).residual(false));
  REQUIRE(
      c10::str(SqueezeExcite(SqueezeExciteOptions(16).reduction(4))).rfind("pam::SqueezeExcite(16, reduction=4)", 0) ==
      0);
}

TEST_CASE("SqueezeExcite says what is wrong with its options and input", "[attention]") {
  REQUIRE_THROWS_WITH(SqueezeExcite(SqueezeExciteOptions()), Catch::Contains("channels must be positive"));
  REQUIRE_THROWS_WITH(SqueezeExcite(SqueezeExciteOptions(8).reduction(-1)), Catch::Contains("reduction"));
  REQUIRE_THROWS_WITH(SqueezeExcite(SqueezeExciteOptions(8))(torch::rand({8, 5, 5})), Catch::Contains("(N, C, H, W)"));
  REQUIRE(SqueezeExcite(SqueezeExciteOptions(4))->squeeze->weight.size(0) == 1);  // max(1, 4 / 8)
}

}  // namespace attention_squeeze_excite_test
