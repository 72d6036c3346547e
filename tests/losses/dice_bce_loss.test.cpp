// SPDX-License-Identifier: MIT
#include <pam/losses/dice_bce_loss.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

namespace losses_dice_bce_loss_test {
using namespace pam;
using Catch::Contains;
using pam::test::IsClose;

TEST_CASE("dice_bce_loss is the weighted sum of its parts", "[losses]") {
  torch::manual_seed(1);
  const auto logits = torch::randn({2, 1, 4, 4}, torch::kDouble);
  const auto labels = torch::randint(-1, 2, {2, 4, 4}, torch::kLong);
  // 1e-14: the same operations.
  REQUIRE_THAT(dice_bce_loss(logits, labels),
               IsClose(dice_loss(logits, labels) + bce_loss(logits, labels)).rtol(1e-14));
  DiceBceOptions options;
  options.reversed = true;
  options.smooth = 3;
  options.dice_weight = 0.25;
  options.bce_weight = 2;
  DiceOptions dice;
  dice.reversed = true;
  dice.smooth = 3;
  BceOptions bce;
  bce.reversed = true;
  REQUIRE_THAT(dice_bce_loss(logits, labels, options),
               IsClose(0.25 * dice_loss(logits, labels, dice) + 2 * bce_loss(logits, labels, bce)).rtol(1e-14));
}

TEST_CASE("dice_bce_loss has the gradient of its finite differences", "[losses]") {
  torch::manual_seed(2);
  auto logits = torch::randn({2, 3, 3, 5}, torch::kDouble).requires_grad_();
  const auto labels = torch::randint(-1, 3, {2, 3, 5}, torch::kLong);
  REQUIRE(pam::test::gradient_error([&] { return dice_bce_loss(logits, labels); }, logits, 30) < 1e-6);
}

TEST_CASE("dice_bce_loss refuses negative weights and unknown labels", "[losses]") {
  DiceBceOptions options;
  options.bce_weight = -1;
  const auto logits = torch::zeros({1, 1, 2, 2});
  REQUIRE_THROWS_WITH(dice_bce_loss(logits, torch::zeros({1, 2, 2}, torch::kLong), options),
                      Contains("must not be negative") && Contains("bce_weight -1"));
  REQUIRE_THROWS_WITH(dice_bce_loss(logits, torch::full({1, 2, 2}, 2, torch::kLong)), Contains("got 2"));
}

}  // namespace losses_dice_bce_loss_test
