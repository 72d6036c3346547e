// SPDX-License-Identifier: MIT
#include <pam/core/prediction.hpp>

#include "support/tensor_matchers.hpp"

namespace core_prediction_test {

using namespace pam;

TEST_CASE("a reversed net predicts foreground where its own p < 0.5", "[core]") {
  const auto logits = torch::tensor({-2.0, -0.1, 0.0, 0.1, 2.0}).view({1, 1, 1, 5});
  REQUIRE(torch::equal(labels_of(probabilities(logits, false)).view(-1), torch::tensor({0, 0, 0, 1, 1}, torch::kLong)));
  REQUIRE(torch::equal(labels_of(probabilities(logits, true)).view(-1), torch::tensor({1, 1, 0, 0, 0}, torch::kLong)));
  REQUIRE_THAT(probabilities(logits, true), test::IsClose(1 - torch::sigmoid(logits)).atol(1e-7));
}

TEST_CASE("several classes take the most probable one and cannot be reversed", "[core]") {
  const auto logits = torch::tensor({1.0, 3.0, 2.0}).view({1, 3, 1, 1});
  REQUIRE(labels_of(probabilities(logits, false)).item<std::int64_t>() == 1);
  REQUIRE_THROWS_WITH(probabilities(logits, true), Catch::Contains("binary") && Catch::Contains("3 classes"));
  REQUIRE_THROWS_WITH(probabilities(torch::zeros({2, 2}), false), Catch::Contains("(N, C, H, W)"));
}

}  // namespace core_prediction_test
