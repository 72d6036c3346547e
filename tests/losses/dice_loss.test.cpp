// SPDX-License-Identifier: MIT
#include <pam/losses/dice_loss.hpp>

#include "metrics/python_oracle.hpp"
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

/// Each way to set the options that other libraries have.
std::vector<DiceOptions> all_options(double smooth) {
  std::vector<DiceOptions> result;
  for (int bits = 0; bits < 16; ++bits) {
    DiceOptions options;
    options.smooth = smooth, options.per_class = true;
    options.include_background = (bits & 1) == 0, options.per_image = (bits & 2) != 0;
    options.squared_pred = (bits & 4) != 0, options.jaccard = (bits & 8) != 0;
    result.push_back(options);
  }
  return result;
}

TEST_CASE("dice_loss with each option has its closed form on hand-made probabilities", "[losses]") {
  // Two images of two pixels with p = 1/2; one image has one foreground pixel, the other two.
  const auto logits = torch::zeros({2, 1, 1, 2}, torch::kDouble);
  const auto labels = torch::tensor({1, 0, 1, 1}, torch::kLong).view({2, 1, 2});
  const auto loss = [&](const DiceOptions& options) { return dice_loss(logits, labels, options).item<double>(); };
  DiceOptions options;
  REQUIRE(loss(options) == Approx(1 - (3.0 + 1) / (2 + 3 + 1)).epsilon(kDouble));
  options.jaccard = true;  // below: 2 (2 + 3 - 1.5) + 1
  REQUIRE(loss(options) == Approx(1 - (3.0 + 1) / (7 + 1)).epsilon(kDouble));
  options.squared_pred = true;  // Σ p² = 1
  REQUIRE(loss(options) == Approx(1 - (3.0 + 1) / (5 + 1)).epsilon(kDouble));
  options.jaccard = false;
  REQUIRE(loss(options) == Approx(1 - (3.0 + 1) / (4 + 1)).epsilon(kDouble));
  options.squared_pred = false, options.per_image = true;  // one: Σ p·t = 1/2 of 1 + 1, the other: 1 of 1 + 2
  REQUIRE(loss(options) == Approx(((1 - 2.0 / 3) + (1 - 3.0 / 4)) / 2).epsilon(kDouble));
  options.include_background = false;  // one channel has no background channel
  REQUIRE(loss(options) == Approx(((1 - 2.0 / 3) + (1 - 3.0 / 4)) / 2).epsilon(kDouble));
  // Three classes of p = 1/3 in three pixels of 0, 1 and 1: without the background, Σ p·t = 2/3, Σ p = 2, Σ t = 2.
  DiceOptions foreground;
  foreground.include_background = false;
  const auto three = torch::zeros({1, 3, 1, 3}, torch::kDouble);
  const auto classes = torch::tensor({0, 1, 1}, torch::kLong).view({1, 1, 3});
  REQUIRE(dice_loss(three, classes, foreground).item<double>() == Approx(1 - (4.0 / 3 + 1) / 5).epsilon(kDouble));
  foreground.per_class = true;  // class 1: 2/3 of 1 + 2; class 2: 0 of 1 + 0
  REQUIRE(dice_loss(three, classes, foreground).item<double>() ==
          Approx(((1 - (4.0 / 3 + 1) / 4) + (1 - 1.0 / 2)) / 2).epsilon(kDouble));
}

TEST_CASE("dice_loss with each option equals MONAI's formula, and so does its gradient", "[losses]") {
  torch::manual_seed(8);
  const double smooth = 1e-5;  // MONAI's smooth_nr and smooth_dr
  nlohmann::json data;
  std::vector<torch::Tensor> all_logits, all_labels;
  const auto flat = [](const torch::Tensor& x) {
    const auto wide = x.to(torch::kDouble).contiguous();
    return std::vector<double>(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel());
  };
  for (const std::int64_t channels : {1, 3}) {
    all_logits.push_back(2 * torch::randn({2, channels, 6, 5}, torch::kDouble));
    all_labels.push_back(torch::randint(0, std::max<std::int64_t>(2, channels), {2, 6, 5}, torch::kLong));
    for (const auto& options : all_options(smooth)) {
      data.push_back({{"channels", channels},
                      {"logits", flat(all_logits.back())},
                      {"labels", flat(all_labels.back())},
                      {"background", options.include_background},
                      {"batch", !options.per_image},
                      {"squared", options.squared_pred},
                      {"jaccard", options.jaccard}});
    }
  }
  // Written from the documentation and the source of monai.losses.DiceLoss (Project-MONAI/MONAI, e4dd079).
  const auto answer = pam::test::ask_python("torch", R"(
answer = []
for case in data:
    c = case['channels']
    z = torch.tensor(case['logits'], dtype=torch.float64).view(2, c, 6, 5).requires_grad_()
    y = torch.tensor(case['labels']).long().view(2, 1, 6, 5)
    p = torch.sigmoid(z) if c == 1 else torch.softmax(z, 1)
    t = (y == torch.arange(c).view(1, c, 1, 1)).double() if c > 1 else y.double()
    if c > 1 and not case['background']: p, t = p[:, 1:], t[:, 1:]
    over = (0, 2, 3) if case['batch'] else (2, 3)
    common = (p * t).sum(over)
    power = 2 if case['squared'] else 1
    below = (p ** power).sum(over) + (t ** power).sum(over)
    if case['jaccard']: below = 2 * (below - common)
    loss = (1 - (2 * common + 1e-5) / (below + 1e-5)).mean()
    answer.append([loss.item(), torch.autograd.grad(loss, z)[0].reshape(-1).tolist()])
)",
                                            data);
  if (!answer) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  for (std::size_t i = 0; i < answer->size(); ++i) {
    CAPTURE(data[i].dump());
    auto logits = all_logits[i / 16].clone().requires_grad_();
    const auto loss = dice_loss(logits, all_labels[i / 16], all_options(smooth)[i % 16]);
    loss.backward();
    const auto& [value, gradient] = (*answer)[i].get<std::pair<double, std::vector<double>>>();
    // 1e-10: the same float64 sums of at most 180 terms in another order; the issue asks for 1e-6.
    REQUIRE(loss.item<double>() == Approx(value).epsilon(1e-10));
    REQUIRE_THAT(logits.grad().reshape(-1), IsClose(torch::tensor(gradient, torch::kDouble)).rtol(1e-10).of_largest());
  }
}

TEST_CASE("dice_loss with each option has the gradient of its finite differences and ignores pixels", "[losses]") {
  torch::manual_seed(9);
  const auto channels = GENERATE(1, 3);
  for (auto options : all_options(1)) {
    CAPTURE(channels, options.include_background, options.per_image, options.squared_pred, options.jaccard);
    auto logits = torch::randn({2, channels, 3, 6}, torch::kDouble).requires_grad_();
    auto labels = torch::randint(0, std::max(2, channels), {2, 3, 6}, torch::kLong);
    labels.slice(2, 4).fill_(-1);
    REQUIRE(gradient_error([&] { return dice_loss(logits, labels, options); }, logits, 20) < 1e-6);
    const auto shown = logits.detach();
    REQUIRE_THAT(dice_loss(shown, labels, options),
                 IsClose(dice_loss(shown.slice(3, 0, 4), labels.slice(2, 0, 4), options)).rtol(kDouble));
    // Reversed labels are those of 1 - label.
    if (channels > 1) continue;
    const auto known = labels.slice(2, 0, 4), other = 1 - known;
    const auto kept = shown.slice(3, 0, 4);
    const auto wanted = dice_loss(kept, other, options);
    options.reversed = true;
    REQUIRE_THAT(dice_loss(kept, known, options), IsClose(wanted).rtol(kDouble));
  }
}

TEST_CASE("dice_loss per image is the mean of the images' losses, over processes too", "[losses]") {
  torch::manual_seed(10);
  const auto channels = GENERATE(1, 3);
  const auto logits = torch::randn({3, channels, 5, 4}, torch::kDouble);
  auto labels = torch::randint(-1, std::max(2, channels), {3, 5, 4}, torch::kLong);
  DiceOptions options;
  options.per_image = true;
  torch::Tensor sum = torch::zeros({}, torch::kDouble);
  for (std::int64_t n = 0; n < 3; ++n) sum += dice_loss(logits.slice(0, n, n + 1), labels.slice(0, n, n + 1));
  REQUIRE_THAT(dice_loss(logits, labels, options), IsClose(sum / 3).rtol(kDouble));
  // Two processes, one with two images: their sums make the loss of all three.
  torch::Tensor total;
  options.reduce_sums = [&](torch::Tensor own) { return total = total.defined() ? total + own : own; };
  (void)dice_loss(logits.slice(0, 0, 2), labels.slice(0, 0, 2), options);
  REQUIRE_THAT(dice_loss(logits.slice(0, 2, 3), labels.slice(0, 2, 3), options), IsClose(sum / 3).rtol(kDouble));
  // An image whose every pixel is ignored has loss 0.
  options.reduce_sums = nullptr;
  labels[2].fill_(-1);
  const auto two = dice_loss(logits.slice(0, 0, 2), labels.slice(0, 0, 2), options);
  REQUIRE_THAT(dice_loss(logits, labels, options), IsClose(two * 2 / 3).rtol(kDouble));
}

TEST_CASE("dice_loss with each option computes half precision in float32", "[losses]") {
  torch::manual_seed(11);
  const auto channels = GENERATE(1, 3);
  const auto logits = (torch::randn({2, channels, 96, 96}) + 1).to(torch::kHalf);
  const auto labels = torch::ones({2, 96, 96}, torch::kLong);
  for (const auto& options : all_options(1)) {
    const auto loss = dice_loss(logits, labels, options);
    REQUIRE(loss.scalar_type() == torch::kFloat);
    // 1e-5: float32 sums of 18,432 terms.
    REQUIRE_THAT(loss, IsClose(dice_loss(logits.to(torch::kDouble), labels, options)).rtol(1e-5));
  }
}

TEST_CASE("dice_loss refuses a smooth of zero", "[losses]") {
  DiceOptions options;
  options.smooth = 0;
  REQUIRE_THROWS_WITH(dice_loss(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 2, 2}, torch::kLong), options),
                      Contains("smooth must be positive") && Contains("got 0"));
}

}  // namespace losses_dice_loss_test
