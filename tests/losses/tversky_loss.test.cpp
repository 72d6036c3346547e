// SPDX-License-Identifier: MIT
#include <pam/losses/tversky_loss.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

namespace losses_tversky_loss_test {
using namespace pam;
using Catch::Contains;
using pam::test::gradient_error;
using pam::test::IsClose;

TverskyOptions tversky(double alpha, double beta, double smooth = 1) {
  TverskyOptions options;
  options.alpha = alpha, options.beta = beta, options.smooth = smooth;
  return options;
}

TEST_CASE("tversky_loss weights false positives with alpha and false negatives with beta", "[losses]") {
  // Near-certain logits: TP 1, FP 2, FN 1, TN 0 -> 1 - 2 / (2 + 0.3·2 + 0.7·1).
  const auto logits = torch::tensor({50., 50., 50., -50.}, torch::kDouble).view({1, 1, 2, 2});
  const auto labels = torch::tensor({1, 0, 0, 1}, torch::kLong).view({1, 2, 2});
  REQUIRE(tversky_loss(logits, labels).item<double>() == Approx(1 - 2 / 3.3).epsilon(1e-12));
}

TEST_CASE("tversky_loss with equal weights of one half is the Dice loss", "[losses]") {
  torch::manual_seed(1);
  const auto channels = GENERATE(1, 3);
  const auto logits = torch::randn({2, channels, 4, 4}, torch::kDouble);
  const auto labels = torch::randint(-1, std::max(2, channels), {2, 4, 4}, torch::kLong);
  REQUIRE_THAT(tversky_loss(logits, labels, tversky(0.5, 0.5, 0.5)), IsClose(dice_loss(logits, labels)).rtol(1e-12));
}

TEST_CASE("tversky_loss has the gradient of its finite differences", "[losses]") {
  torch::manual_seed(2);
  const auto channels = GENERATE(1, 3);
  auto logits = torch::randn({2, channels, 3, 5}, torch::kDouble).requires_grad_();
  const auto labels = torch::randint(-1, std::max(2, channels), {2, 3, 5}, torch::kLong);
  auto options = tversky(0.3, 0.7);
  options.per_class = true;
  REQUIRE(gradient_error([&] { return tversky_loss(logits, labels, options); }, logits, 30) < 1e-6);
}

TEST_CASE("tversky_loss refuses negative weights and a smooth of zero", "[losses]") {
  const auto logits = torch::zeros({1, 1, 2, 2});
  const auto labels = torch::zeros({1, 2, 2}, torch::kLong);
  REQUIRE_THROWS_WITH(tversky_loss(logits, labels, tversky(-0.1, 0.7)), Contains("alpha -0.1"));
  REQUIRE_THROWS_WITH(tversky_loss(logits, labels, tversky(0.3, 0.7, 0)), Contains("smooth must be positive"));
}

}  // namespace losses_tversky_loss_test
