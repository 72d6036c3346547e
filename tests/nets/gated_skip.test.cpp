// SPDX-License-Identifier: MIT
#include <pam/nets/concat_skip.hpp>
#include <pam/nets/gated_skip.hpp>

#include "support/tensor_matchers.hpp"

namespace nets_gated_skip_test {

using namespace pam;
using pam::test::IsClose;

TEST_CASE("GatedSkip concatenates the upsampled decoder features and the gated skip", "[nets]") {
  torch::manual_seed(1);
  GatedSkip skip(GatedSkipOptions(12, 6));
  const auto deep = torch::randn({2, 12, 4, 5}), features = torch::randn({2, 6, 7, 9});
  const auto up = at::upsample_bilinear2d(deep, {7, 9}, /*align_corners=*/true);
  const auto a = skip->gate->attention(deep, features);
  REQUIRE_THAT(skip(deep, features), IsClose(torch::cat({up, features * a + features}, 1)).rtol(1e-6).of_largest());
}

TEST_CASE("a GatedSkip that is switched off is a ConcatSkip", "[nets]") {
  GatedSkip skip(GatedSkipOptions(12, 6).gated(false));
  REQUIRE(skip->parameters().empty());
  const auto deep = torch::randn({2, 12, 4, 5}), features = torch::randn({2, 6, 7, 9});
  REQUIRE(torch::equal(skip(deep, features), ConcatSkip(ConcatSkipOptions(12, 6))(deep, features)));
}

TEST_CASE("GatedSkip fills in its gate's channels and keeps its other options", "[nets]") {
  GatedSkip skip(GatedSkipOptions(12, 6).gate(AttentionGateOptions(1, 1).original()));
  REQUIRE(skip->gate->options == AttentionGateOptions(12, 6).original());
}

TEST_CASE("GatedSkip and its gate say the smallest skip that they take", "[nets]") {
  for (const std::int64_t step : {1, 2, 5}) {
    for (const bool norm : {true, false}) {
      CAPTURE(step, norm);
      GatedSkip skip(GatedSkipOptions(12, 6).gate(AttentionGateOptions().theta_stride(step).norm(norm)));
      const auto n = skip->min_size();
      REQUIRE(n == (norm ? 2 * step : step));
      REQUIRE(skip->gate->min_size() == n);
      const auto deep = torch::randn({1, 12, 2, 2});
      REQUIRE(skip(deep, torch::randn({1, 6, n, n})).size(3) == n);
      if (n > 1) REQUIRE_THROWS_AS(skip(deep, torch::randn({1, 6, n - 1, n - 1})), Error);
    }
  }
  REQUIRE(GatedSkip(GatedSkipOptions(12, 6).gated(false))->min_size() == 1);
}

}  // namespace nets_gated_skip_test
