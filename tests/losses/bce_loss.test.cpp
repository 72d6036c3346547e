// SPDX-License-Identifier: MIT
#include <pam/losses/bce_loss.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

#include <cmath>

namespace losses_bce_loss_test {
using namespace pam;
using pam::test::gradient_error;
using pam::test::IsClose;
namespace F = torch::nn::functional;

TEST_CASE("bce_loss has its closed form and is finite for huge logits", "[losses]") {
  const auto labels = torch::tensor({1, 0}, torch::kLong).view({1, 1, 2});
  REQUIRE(bce_loss(torch::zeros({1, 1, 1, 2}, torch::kDouble), labels).item<double>() ==
          Approx(std::log(2.0)).epsilon(1e-14));
  // log(1 + exp(z)) -> z: both pixels wrong by 1000 -> 1000, both right -> 0.
  auto wrong = torch::tensor({-1000.f, 1000.f}).view({1, 1, 1, 2}).requires_grad_();
  const auto loss = bce_loss(wrong, labels);
  REQUIRE(loss.item<double>() == 1000);
  loss.backward();
  REQUIRE_THAT(wrong.grad(), IsClose(torch::tensor({-0.5f, 0.5f}).view({1, 1, 1, 2})));
  REQUIRE(bce_loss(-wrong.detach(), labels).item<double>() == 0);
  REQUIRE(bce_loss(torch::zeros({1, 1, 1, 2}), torch::full({1, 1, 2}, -1, torch::kLong)).item<double>() == 0);
}

TEST_CASE("bce_loss equals PyTorch's own functions, ignored pixels included", "[losses]") {
  torch::manual_seed(1);
  auto labels = torch::randint(0, 2, {3, 4, 5}, torch::kLong);
  const auto logits = 3 * torch::randn({3, 1, 4, 5}, torch::kDouble);
  // 1e-12: the same terms summed in another order.
  REQUIRE_THAT(
      bce_loss(logits, labels),
      IsClose(F::binary_cross_entropy_with_logits(logits, labels.unsqueeze(1).to(torch::kDouble))).rtol(1e-12));
  const auto many = 3 * torch::randn({3, 4, 4, 5}, torch::kDouble);
  labels = torch::randint(-1, 4, {3, 4, 5}, torch::kLong);
  REQUIRE_THAT(bce_loss(many, labels),
               IsClose(F::cross_entropy(many, labels, F::CrossEntropyFuncOptions().ignore_index(-1))).rtol(1e-12));
  // Two softmax channels are one sigmoid channel of their difference.
  const auto two = many.slice(1, 0, 2);
  labels = torch::randint(-1, 2, {3, 4, 5}, torch::kLong);
  REQUIRE_THAT(bce_loss(two, labels), IsClose(bce_loss(two.slice(1, 1, 2) - two.slice(1, 0, 1), labels)).rtol(1e-12));
}

TEST_CASE("bce_loss has the gradient of its finite differences", "[losses]") {
  torch::manual_seed(2);
  const auto channels = GENERATE(1, 3);
  auto logits = torch::randn({2, channels, 3, 5}, torch::kDouble).requires_grad_();
  const auto labels = torch::randint(-1, std::max(2, channels), {2, 3, 5}, torch::kLong);
  REQUIRE(gradient_error([&] { return bce_loss(logits, labels); }, logits, 30) < 1e-6);
}

TEST_CASE("bce_loss weighs pixels equally over processes with different numbers of ignored pixels", "[losses]") {
  torch::manual_seed(3);
  const auto logits = torch::randn({2, 1, 4, 4}, torch::kDouble);
  auto labels = torch::randint(0, 2, {2, 4, 4}, torch::kLong);
  labels[0].slice(0, 1).fill_(-1);  // 4 pixels count in one half, 16 in the other
  torch::Tensor total;
  BceOptions options;
  options.reduce_sums = [&](torch::Tensor own) { return total = total.defined() ? total + own : own; };
  (void)bce_loss(logits.slice(0, 0, 1), labels.slice(0, 0, 1), options);
  const auto global = bce_loss(logits.slice(0, 1, 2), labels.slice(0, 1, 2), options);
  REQUIRE_THAT(global, IsClose(bce_loss(logits, labels)).rtol(1e-12));
}

TEST_CASE("bce_loss computes half precision in float32", "[losses]") {
  torch::manual_seed(4);
  const auto logits = torch::randn({1, 1, 300, 300}).to(torch::kHalf);  // a float16 sum would overflow
  const auto labels = torch::randint(0, 2, {1, 300, 300}, torch::kLong);
  REQUIRE_THAT(bce_loss(logits, labels), IsClose(bce_loss(logits.to(torch::kDouble), labels)).rtol(1e-5));
}

}  // namespace losses_bce_loss_test
