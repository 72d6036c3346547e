// SPDX-License-Identifier: MIT
#include <pam/core/seed.hpp>
#include <pam/kernels/dice.hpp>

#include "kernels/kernel_check.hpp"
#include "support/gradcheck.hpp"

namespace kernels_dice_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

Expression sums_with(Backend backend, const torch::Tensor& target) {
  return [=](const Tensors& t) { return kernels::dice_sums(t[0], target, backend); };
}

const auto kDirection = [] { return torch::tensor({0.7f, -1.3f, 0.4f}); };

// Sums of up to 2e4 numbers in chunks of 4096: 1e-5 of the largest.
TEST_CASE("fused Dice sums equal the float64 reference, sums and gradient", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const SeedScope seed(9);
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    auto shapes = awkward_shapes();
    shapes.push_back({2, 1, 101, 97});  // several chunks
    for (const auto& shape : shapes) {
      for (const auto storage : storages()) {
        const auto logits = stored(torch::randn(shape) * 4, storage);
        const auto target = (torch::rand(shape) > 0.7).to(torch::kFloat);  // another layout than the logits'
        CAPTURE(static_cast<int>(isa), shape, static_cast<int>(storage));
        const auto actual = output_and_gradients(sums_with(Backend::Fused, target), {logits}, kDirection());
        const auto expected = output_and_gradients(sums_with(Backend::Reference, target.to(torch::kDouble)),
                                                   as_double({logits}), kDirection().to(torch::kDouble));
        REQUIRE_THAT(actual[0], IsClose(expected[0]).rtol(1e-5));
        REQUIRE_THAT(actual[1], IsClose(expected[1]).rtol(1e-5).of_largest());
      }
    }
  }
}

// dice_loss masks ignored pixels with logits of -3e4: their p and gradient must be 0, not merely small.
TEST_CASE("fused Dice sums give exactly 0 and 1 at logits far out, without NaN", "[kernels]") {
  const auto logits = torch::tensor({-3e4f, -200.f, 200.f, 3e4f}).view({1, 1, 2, 2}).requires_grad_();
  const auto sums = kernels::dice_sums(logits, torch::ones({1, 1, 2, 2}), Backend::Fused);
  sums.sum().backward();
  REQUIRE(torch::equal(sums.detach(), torch::tensor({2.f, 2.f, 4.f})));
  REQUIRE(torch::equal(logits.grad(), torch::zeros({1, 1, 2, 2})));
}

// p itself is exact to float32; only the gradient is rounded to 2^-9.
TEST_CASE("fused Dice sums of bfloat16 logits are float32", "[kernels]") {
  const SeedScope seed(2);
  const auto logits = torch::randn({2, 1, 30, 31}).to(torch::kBFloat16);
  const auto target = torch::rand({2, 1, 30, 31});
  const auto actual = output_and_gradients(sums_with(Backend::Fused, target), {logits}, kDirection());
  const auto expected = output_and_gradients(sums_with(Backend::Reference, target.to(torch::kDouble)),
                                             as_double({logits}), kDirection().to(torch::kDouble));
  REQUIRE(actual[0].scalar_type() == torch::kFloat);
  REQUIRE_THAT(actual[0], IsClose(expected[0]).rtol(1e-5));
  REQUIRE_THAT(actual[1], IsClose(expected[1]).rtol(6e-3).of_largest());
}

TEST_CASE("fused Dice sums are the same on any number of threads, bit for bit", "[kernels]") {
  const SeedScope seed(4);
  const auto target = (torch::rand({4, 1, 160, 160}) > 0.9).to(torch::kFloat);
  require_deterministic(sums_with(Backend::Fused, target), {torch::randn({4, 1, 160, 160})}, kDirection());
}

TEST_CASE("the float64 reference of the Dice sums has the gradients of finite differences", "[kernels]") {
  const SeedScope seed(1);
  const auto target = torch::rand({1, 1, 4, 5}).to(torch::kDouble);
  const auto logits = torch::randn({1, 1, 4, 5}).to(torch::kDouble).requires_grad_();
  const auto f = [&] { return (sums_with(Backend::Fused, target)({logits}) * kDirection().to(torch::kDouble)).sum(); };
  REQUIRE(gradient_error(f, logits) < 1e-6);
}

TEST_CASE("Dice sums of no pixels are 0, and a target may have a gradient", "[kernels]") {
  const auto none = torch::zeros({0, 1, 4, 4});
  REQUIRE(torch::equal(kernels::dice_sums(none, none, Backend::Fused), torch::zeros({3})));
  const auto target = torch::rand({1, 1, 3, 3}).requires_grad_();
  kernels::dice_sums(torch::zeros({1, 1, 3, 3}), target, Backend::Fused).sum().backward();
  REQUIRE_THAT(target.grad(), IsClose(torch::full({1, 1, 3, 3}, 1.5)).rtol(1e-6));  // p + 1 with p = 0.5
}

}  // namespace kernels_dice_test
