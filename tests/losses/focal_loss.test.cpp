// SPDX-License-Identifier: MIT
#include <pam/losses/bce_loss.hpp>
#include <pam/losses/focal_loss.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

#include <cmath>

namespace losses_focal_loss_test {
using namespace pam;
using Catch::Contains;
using pam::test::gradient_error;
using pam::test::IsClose;

FocalOptions focal(double gamma, double alpha) {
  FocalOptions options;
  options.gamma = gamma, options.alpha = alpha;
  return options;
}

TEST_CASE("focal_loss has its closed form", "[losses]") {
  // p = 1/2: foreground 0.25 · (1/2)² · log 2, background 0.75 · (1/2)² · log 2; their mean is log 2 / 8.
  const auto labels = torch::tensor({1, 0}, torch::kLong).view({1, 1, 2});
  REQUIRE(focal_loss(torch::zeros({1, 1, 1, 2}, torch::kDouble), labels).item<double>() ==
          Approx(std::log(2.0) / 8).epsilon(1e-14));
  // The example of the paper's section 3.2: γ = 2 and p_t = 0.9 has 100 times less loss than cross-entropy.
  const auto logit = torch::full({1, 1, 1, 1}, std::log(9.0), torch::kDouble);
  const auto one = torch::ones({1, 1, 1}, torch::kLong);
  REQUIRE(bce_loss(logit, one).item<double>() / focal_loss(logit, one, focal(2, -1)).item<double>() ==
          Approx(100).epsilon(1e-12));
}

TEST_CASE("focal_loss follows the textbook formula on random logits", "[losses]") {
  torch::manual_seed(1);
  const auto gamma = GENERATE(0.0, 0.5, 1.0, 2.0, 3.5);
  const auto logits = 2 * torch::randn({2, 1, 4, 5}, torch::kDouble);
  const auto labels = torch::randint(0, 2, {2, 4, 5}, torch::kLong);
  const auto t = labels.unsqueeze(1).to(torch::kDouble), p = torch::sigmoid(logits);
  const auto p_t = p * t + (1 - p) * (1 - t), alpha_t = 0.25 * t + 0.75 * (1 - t);
  const auto expected = (-alpha_t * (1 - p_t).pow(gamma) * p_t.log()).mean();
  // 1e-10: the textbook form itself loses digits in log p_t.
  REQUIRE_THAT(focal_loss(logits, labels, focal(gamma, 0.25)), IsClose(expected).rtol(1e-10));
  // Two softmax channels are one sigmoid channel of their difference, weights included.
  const auto two = torch::cat({torch::zeros_like(logits), logits}, 1);
  REQUIRE_THAT(focal_loss(two, labels, focal(gamma, 0.25)), IsClose(expected).rtol(1e-10));
}

TEST_CASE("focal_loss without focus or weights is cross-entropy", "[losses]") {
  torch::manual_seed(2);
  const auto channels = GENERATE(1, 3);
  const auto logits = torch::randn({2, channels, 4, 5}, torch::kDouble);
  const auto labels = torch::randint(-1, std::max(2, channels), {2, 4, 5}, torch::kLong);
  REQUIRE_THAT(focal_loss(logits, labels, focal(0, -1)), IsClose(bce_loss(logits, labels)).rtol(1e-12));
}

TEST_CASE("focal_loss and its gradient are finite for huge logits, right or wrong, and any gamma", "[losses]") {
  const auto gamma = GENERATE(0.0, 0.5, 2.0);
  const auto channels = GENERATE(1, 2);
  const auto labels = torch::tensor({1, 0, 1, 0}, torch::kLong).view({1, 1, 4});
  auto z = torch::tensor({300.f, -300.f, -300.f, 300.f}).view({1, 1, 1, 4});
  if (channels == 2) z = torch::cat({torch::zeros_like(z), z}, 1);
  z.requires_grad_();
  const auto loss = focal_loss(z, labels, focal(gamma, -1));
  loss.backward();
  // Two right pixels cost 0, two wrong ones 300 each.
  REQUIRE(loss.item<double>() == Approx(150).epsilon(1e-6));
  REQUIRE(torch::isfinite(z.grad()).all().item<bool>());
}

TEST_CASE("focal_loss has the gradient of its finite differences", "[losses]") {
  torch::manual_seed(3);
  const auto channels = GENERATE(1, 3);
  const auto gamma = GENERATE(0.0, 0.5, 2.0);
  auto logits = torch::randn({2, channels, 3, 5}, torch::kDouble).requires_grad_();
  const auto labels = torch::randint(-1, std::max(2, channels), {2, 3, 5}, torch::kLong);
  REQUIRE(gradient_error([&] { return focal_loss(logits, labels, focal(gamma, 0.25)); }, logits, 30) < 1e-6);
}

TEST_CASE("focal_loss refuses options outside their range", "[losses]") {
  const auto logits = torch::zeros({1, 1, 2, 2});
  const auto labels = torch::zeros({1, 2, 2}, torch::kLong);
  REQUIRE_THROWS_WITH(focal_loss(logits, labels, focal(-1, 0.25)), Contains("gamma") && Contains("got -1"));
  REQUIRE_THROWS_WITH(focal_loss(logits, labels, focal(2, 1.5)), Contains("alpha") && Contains("got 1.5"));
}

}  // namespace losses_focal_loss_test
