// SPDX-License-Identifier: MIT
#include <pam/train/distributed/detail/gradient_buckets.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

namespace train_gradient_buckets_test {

using namespace pam;
using pam::test::IsClose;

/// Three processes with equal gradients: a sum that takes its time, and notes when it began and was waited for.
struct FakeSum {
  std::vector<std::int64_t> sizes;
  std::size_t waited = 0;
  StartAllReduce function() {
    return [this](torch::Tensor& flat) {
      sizes.push_back(flat.numel());
      auto kept = flat;
      return std::function<void()>([this, kept]() mutable {
        ++waited;
        kept.mul_(3);
      });
    };
  }
};

/// layer i: y = x * w_i, w_i of `sizes[i]` floats; backward reaches the last layer first.
std::vector<torch::Tensor> layers(const std::vector<std::int64_t>& sizes) {
  std::vector<torch::Tensor> weights;
  for (const auto size : sizes) weights.push_back(torch::ones({size}, torch::requires_grad()));
  return weights;
}

torch::Tensor chain(const std::vector<torch::Tensor>& weights) {
  auto x = torch::ones({});
  for (const auto& weight : weights) x = (x * weight).mean();
  return x;
}

TEST_CASE("buckets go from the last parameter to the first, a small one ahead", "[train]") {
  const auto weights = layers({100, 100, 50, 25, 25});
  FakeSum sum;
  // first 200 bytes = 50 floats, then 600 bytes = 150 floats
  GradientBuckets buckets(weights, sum.function(), {200, 600});
  REQUIRE(buckets.size() == 3);
  buckets.arm();
  chain(weights).backward();
  CHECK(buckets.started() == 3);  // during backward, before anybody asked
  CHECK(sum.waited == 0);
  buckets.finish(3);
  CHECK(sum.sizes == std::vector<std::int64_t>{50, 150, 100});
  CHECK(sum.waited == 3);
}

TEST_CASE("the mean of equal gradients is the gradient, with and without overlap", "[train]") {
  const bool overlap = GENERATE(true, false);
  const auto weights = layers({7, 5, 3});
  FakeSum sum;
  GradientBuckets buckets(weights, sum.function(), {16, 16});
  const auto expected = [&] {
    const auto copies = layers({7, 5, 3});
    chain(copies).backward();
    return copies;
  }();
  for (int step = 0; step < 2; ++step) {
    for (auto weight : weights) weight.mutable_grad() = torch::Tensor();
    if (overlap) buckets.arm();
    chain(weights).backward();
    buckets.finish(3);
    // 3 g / 3: one rounding each way
    for (std::size_t i = 0; i < 3; ++i) CHECK_THAT(weights[i].grad(), IsClose(expected[i].grad()).rtol(1e-6));
  }
  CHECK(sum.sizes.size() == 2 * buckets.size());
}

TEST_CASE("backward passes before the armed one only accumulate", "[train]") {
  const auto weights = layers({4, 4});
  FakeSum sum;
  GradientBuckets buckets(weights, sum.function());
  chain(weights).backward();
  CHECK(sum.sizes.empty());
  buckets.arm();
  chain(weights).backward();
  buckets.finish(1);
  CHECK(sum.sizes.size() == 1);
  CHECK_THAT(weights[0].grad(), IsClose(torch::full({4}, 3 * 2 * 0.25)));  // three processes, two passes, d mean = 1/4
}

TEST_CASE("an unused parameter counts as zero and holds nothing up", "[train]") {
  const auto weights = layers({4, 4, 4});
  FakeSum sum;
  GradientBuckets buckets(weights, sum.function(), {16, 16});
  buckets.arm();
  chain({weights[0], weights[2]}).backward();
  CHECK(buckets.started() == 1);  // the second bucket waits for its parameter; the third must wait for the second
  buckets.finish(3);
  CHECK(sum.sizes.size() == 3);
  CHECK_THAT(weights[1].grad(), IsClose(torch::zeros({4})));
}

TEST_CASE("types have buckets of their own, frozen parameters none, and hooks end with the buckets", "[train]") {
  auto weights = layers({4, 4});
  weights.push_back(torch::ones({4}, torch::dtype(torch::kDouble).requires_grad(true)));
  weights.push_back(torch::ones({4}));
  FakeSum sum;
  {
    GradientBuckets buckets(weights, sum.function());
    CHECK(buckets.size() == 2);
    CHECK(buckets.holds(weights));
    CHECK_FALSE(buckets.holds({weights[0], weights[2]}));
    buckets.arm();
  }
  chain({weights[0], weights[1]}).backward();
  CHECK(sum.sizes.empty());
}

}  // namespace train_gradient_buckets_test
