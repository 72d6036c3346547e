// SPDX-License-Identifier: MIT
#include <pam/attention/gather_excite.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_gather_excite_test {

using namespace pam;
using pam::test::IsClose;
using Options = GatherExciteOptions;

TEST_CASE("GatherExcite gathers with strided depth-wise convolutions and upsamples to the nearest", "[attention]") {
  torch::manual_seed(1);
  GatherExcite module(Options(6));
  const auto x = torch::randn({2, 6, 12, 8});
  auto y = x;
  for (const auto& conv : module->gather) {
    y = torch::conv2d(y, conv->weight, {}, 2, 1, 1, 6);
    const auto mean = y.mean({2, 3}, true), variance = ((y - mean) * (y - mean)).mean({2, 3}, true);
    y = (y - mean) / torch::sqrt(variance + 1e-5);
  }
  const auto a = torch::sigmoid(y).repeat_interleave(4, 2).repeat_interleave(4, 3);
  REQUIRE_THAT(module(x), IsClose(x * a + x).rtol(1e-5).of_largest());  // the 2x3 map's norm amplifies rounding
  module->inspect(true);
  module(x);
  REQUIRE_THAT(module->record().attention, IsClose(a).rtol(1e-5).of_largest());
}

TEST_CASE("the original GatherExcite has batch norms, a ReLU between and no residual", "[attention]") {
  torch::manual_seed(2);
  GatherExcite module(Options(6).original());
  module->eval();  // fresh running statistics: each norm divides by sqrt(1 + 1e-5)
  const auto x = torch::randn({2, 6, 11, 9});
  auto y = torch::conv2d(x, module->gather[0]->weight, {}, 2, 1, 1, 6) / std::sqrt(1 + 1e-5);
  y = torch::conv2d(torch::relu(y), module->gather[1]->weight, {}, 2, 1, 1, 6) / std::sqrt(1 + 1e-5);
  REQUIRE(y.sizes() == at::IntArrayRef({2, 6, 3, 3}));
  const auto rows = (torch::arange(11) * 3).div(11, "floor"), columns = (torch::arange(9) * 3).div(9, "floor");
  const auto a = torch::sigmoid(y.index_select(2, rows.to(torch::kLong)).index_select(3, columns.to(torch::kLong)));
  REQUIRE_THAT(module(x), IsClose(x * a).rtol(1e-6).of_largest());
}

TEST_CASE("GatherExcite's presets, extents and limits", "[attention]") {
  REQUIRE(Options().original().paper() == Options());
  REQUIRE(Options() == Options().extent(4).norm(GatherNorm::Instance).relu(false).residual(true));
  REQUIRE(Options().original() == Options().norm(GatherNorm::Batch).relu(true).residual(false));
  REQUIRE(GatherExcite(Options(4).extent(8))->gather.size() == 3);
  REQUIRE_THROWS_WITH(GatherExcite(Options(4).extent(3)), Catch::Contains("extent must be 2, 4, 8"));
  GatherExcite module(Options(4));
  REQUIRE(module->min_size() == 5);
  REQUIRE(module(torch::rand({1, 4, 5, 5})).size(2) == 5);
  REQUIRE_THROWS_WITH(module(torch::rand({1, 4, 4, 4})), Catch::Contains("more than one pixel"));
}

}  // namespace attention_gather_excite_test
