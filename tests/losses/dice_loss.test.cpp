// SPDX-License-Identifier: MIT
#include <pam/losses/dice_loss.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

#include <cmath>

namespace losses_dice_loss_test {
using namespace pam;
using Catch::Contains;
using pam::test::gradient_error;
using pam::test::IsClose;

// 1e-12: float64 sums of a few hundred terms in another order.
constexpr double kDouble = 1e-12;

TEST_CASE("dice_loss has its closed form on hand-made probabilities", "[losses]") {
  // p = 1/2 in four pixels, two of them foreground: 1 - (2·1 + 1) / (2 + 2 + 1) = 2/5.
  const auto logits = torch::zeros({1, 1, 2, 2}, torch::kDouble);
  const auto labels = torch::tensor({1, 1, 0, 0}, torch::kLong).view({1, 2, 2});
  REQUIRE(dice_loss(logits, labels).item<double>() == Approx(0.4).epsilon(kDouble));
  // One pixel ignored: 1 - (2·1 + 1) / (3/2 + 2 + 1) = 1/3.
  const auto ignoring = torch::tensor({1, 1, 0, -1}, torch::kLong).view({1, 2, 2});
  REQUIRE(dice_loss(logits, ignoring).item<double>() == Approx(1.0 / 3).epsilon(kDouble));
  // Everything ignored: (0 + 1) / (0 + 1).
  REQUIRE(dice_loss(logits, torch::full({1, 2, 2}, -1, torch::kLong)).item<double>() == 0);
  // Three classes of p = 1/3, four pixels: 1 - (2·4/3 + 1) / (4 + 4 + 1) = 16/27; per class with 2, 1, 1 pixels.
  const auto classes = torch::tensor({0, 0, 1, 2}, torch::kLong).view({1, 2, 2});
  const auto flat = torch::zeros({1, 3, 2, 2}, torch::kDouble);
  REQUIRE(dice_loss(flat, classes).item<double>() == Approx(16.0 / 27).epsilon(kDouble));
  DiceOptions per_class;
  per_class.per_class = true;
  const double of_two = 1 - (4.0 / 3 + 1) / (4.0 / 3 + 2 + 1), of_one = 1 - (2.0 / 3 + 1) / (4.0 / 3 + 1 + 1);
  REQUIRE(dice_loss(flat, classes, per_class).item<double>() == Approx((of_two + 2 * of_one) / 3).epsilon(kDouble));
}

TEST_CASE("dice_loss sums over the whole batch, not image by image", "[losses]") {
  torch::manual_seed(1);
  const auto logits = torch::randn({3, 1, 5, 7}, torch::kDouble);
  const auto labels = torch::randint(0, 2, {3, 5, 7}, torch::kLong);
  const auto p = torch::sigmoid(logits).reshape(-1), t = labels.to(torch::kDouble).reshape(-1);
  const auto expected = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1);
  REQUIRE_THAT(dice_loss(logits, labels), IsClose(expected).rtol(kDouble));
  // The same pixels as one image give the same loss.
  REQUIRE_THAT(dice_loss(logits.view({1, 1, 15, 7}), labels.view({1, 15, 7})), IsClose(expected).rtol(kDouble));
}

TEST_CASE("dice_loss takes float labels and equals itself on whole-number ones", "[losses]") {
  torch::manual_seed(2);
  const auto logits = torch::randn({2, 1, 4, 4}, torch::kDouble);
  const auto labels = torch::randint(0, 2, {2, 4, 4}, torch::kLong);
  REQUIRE_THAT(dice_loss(logits, labels.unsqueeze(1).to(torch::kFloat)),
               IsClose(dice_loss(logits, labels)).rtol(kDouble));
}

TEST_CASE("dice_loss on reversed labels is dice_loss on 1 - label", "[losses]") {
  torch::manual_seed(3);
  const auto logits = torch::randn({2, 1, 4, 4}, torch::kDouble);
  const auto labels = torch::randint(0, 2, {2, 4, 4}, torch::kLong);
  DiceOptions reversed;
  reversed.reversed = true;
  REQUIRE_THAT(dice_loss(logits, labels, reversed), IsClose(dice_loss(logits, 1 - labels)).rtol(kDouble));
  const auto soft = torch::rand({2, 1, 4, 4}, torch::kDouble);
  REQUIRE_THAT(dice_loss(logits, soft, reversed), IsClose(dice_loss(logits, 1 - soft)).rtol(kDouble));
}

TEST_CASE("dice_loss has the gradient of its finite differences", "[losses]") {
  torch::manual_seed(4);
  const auto channels = GENERATE(1, 3);
  const auto per_class = GENERATE(false, true);
  const auto ignoring = GENERATE(false, true);
  CAPTURE(channels, per_class, ignoring);
  auto logits = torch::randn({2, channels, 3, 5}, torch::kDouble).requires_grad_();
  const auto labels = torch::randint(ignoring ? -1 : 0, std::max(2, channels), {2, 3, 5}, torch::kLong);
  DiceOptions options;
  options.per_class = per_class;
  // 1e-6: see gradient_error.
  REQUIRE(gradient_error([&] { return dice_loss(logits, labels, options); }, logits, 30) < 1e-6);
}

TEST_CASE("ignored pixels change neither the loss nor any gradient", "[losses]") {
  torch::manual_seed(5);
  const auto channels = GENERATE(1, 4);
  auto logits = torch::randn({1, channels, 4, 6}, torch::kDouble);
  auto labels = torch::randint(0, std::max(2, channels), {1, 4, 6}, torch::kLong);
  labels.slice(2, 4).fill_(-1);
  auto shown = logits.clone().requires_grad_();
  const auto loss = dice_loss(shown, labels);
  loss.backward();
  REQUIRE(shown.grad().slice(3, 4).abs().max().item<double>() == 0);
  auto other = logits.clone();
  other.slice(3, 4).add_(100);
  REQUIRE_THAT(dice_loss(other, labels), IsClose(loss).rtol(kDouble));
  // Cropping them away is the same.
  REQUIRE_THAT(dice_loss(logits.slice(3, 0, 4), labels.slice(2, 0, 4)), IsClose(loss).rtol(kDouble));
}

TEST_CASE("dice_loss computes half precision in float32", "[losses]") {
  torch::manual_seed(6);
  const auto type = GENERATE(torch::kHalf, torch::kBFloat16);
  const auto channels = GENERATE(1, 3);
  // 2 × 96 × 96 foreground pixels: float16 sums would stop at 65504, bfloat16 sums would stall at 256.
  auto logits = (torch::randn({2, channels, 96, 96}) + 1).to(type).requires_grad_();
  const auto labels = torch::ones({2, 96, 96}, torch::kLong);
  const auto loss = dice_loss(logits, labels);
  REQUIRE(loss.scalar_type() == torch::kFloat);
  const auto wide = dice_loss(logits.detach().to(torch::kDouble), labels);
  // 1e-5: float32 sums of 18,432 terms.
  REQUIRE_THAT(loss, IsClose(wide).rtol(1e-5));
  loss.backward();
  REQUIRE(logits.grad().scalar_type() == type);
}

TEST_CASE("the sums of dice_loss pass through the hook, so that two halves of a batch make one loss", "[losses]") {
  torch::manual_seed(7);
  const auto channels = GENERATE(1, 3);
  const auto logits = torch::randn({4, channels, 5, 5}, torch::kDouble);
  const auto labels = torch::randint(-1, std::max(2, channels), {4, 5, 5}, torch::kLong);
  auto whole = logits.clone().requires_grad_();
  dice_loss(whole, labels).backward();

  // Each half is a process: the hook adds the other's sums, and doubles the gradient that averaging will halve.
  std::vector<torch::Tensor> sums;
  DiceOptions options;
  options.reduce_sums = [&](torch::Tensor own) { return sums.emplace_back(own.detach()), own; };
  for (int rank = 0; rank < 2; ++rank)
    dice_loss(logits.slice(0, 2 * rank, 2 * rank + 2), labels.slice(0, 2 * rank, 2 * rank + 2), options);
  const auto total = sums[0] + sums[1];
  options.reduce_sums = [&](torch::Tensor own) { return own * 2 + (total - own * 2).detach(); };
  auto halves = logits.clone().requires_grad_();
  for (int rank = 0; rank < 2; ++rank) {
    const auto loss =
        dice_loss(halves.slice(0, 2 * rank, 2 * rank + 2), labels.slice(0, 2 * rank, 2 * rank + 2), options);
    REQUIRE_THAT(loss, IsClose(dice_loss(logits, labels)).rtol(kDouble));
    loss.backward();
  }
  REQUIRE_THAT(halves.grad() / 2, IsClose(whole.grad()).rtol(kDouble).of_largest());
}

TEST_CASE("dice_loss refuses a smooth of zero", "[losses]") {
  DiceOptions options;
  options.smooth = 0;
  REQUIRE_THROWS_WITH(dice_loss(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 2, 2}, torch::kLong), options),
                      Contains("smooth must be positive") && Contains("got 0"));
}

}  // namespace losses_dice_loss_test
