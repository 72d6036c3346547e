// SPDX-License-Identifier: MIT
#include <pam/losses/loss_target.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

#include <cmath>

namespace losses_loss_target_test {
using namespace pam;
using Catch::Contains;
using pam::test::IsClose;

torch::Tensor labels_of(std::vector<std::int64_t> values, std::vector<std::int64_t> shape) {
  return torch::tensor(values, torch::kLong).view(shape);
}

TEST_CASE("binary labels become a float target without ignored pixels", "[losses]") {
  const auto labels = labels_of({0, 1, -1, 1}, {1, 2, 2});
  auto target = make_target(torch::zeros({1, 1, 2, 2}), labels, {}, "test");
  REQUIRE_THAT(target.target, IsClose(torch::tensor({0.f, 1.f, 0.f, 1.f}).view({1, 1, 2, 2})));
  REQUIRE(target.target.scalar_type() == torch::kFloat);
  REQUIRE(torch::equal(target.ignored, torch::tensor({false, false, true, false}).view({1, 1, 2, 2})));
  REQUIRE(target.pixels().item<double>() == 3);

  LossOptions reversed;
  reversed.reversed = true;
  target = make_target(torch::zeros({1, 1, 2, 2}, torch::kDouble), labels, reversed, "test");
  // An ignored pixel stays out; it does not turn into 1 - (-1).
  REQUIRE_THAT(target.target, IsClose(torch::tensor({1., 0., 0., 0.}, torch::kDouble).view({1, 1, 2, 2})));
  REQUIRE(target.target.scalar_type() == torch::kDouble);
}

TEST_CASE("labels without ignored pixels need no mask, whatever their integer type", "[losses]") {
  for (const auto type : {torch::kBool, torch::kByte, torch::kShort, torch::kInt, torch::kLong}) {
    const auto target =
        make_target(torch::zeros({1, 1, 2, 2}), labels_of({0, 1, 1, 0}, {1, 2, 2}).to(type), {}, "test");
    REQUIRE_FALSE(target.ignored.defined());
    REQUIRE(target.pixels().item<double>() == 4);
    REQUIRE_THAT(target.target, IsClose(torch::tensor({0.f, 1.f, 1.f, 0.f}).view({1, 1, 2, 2})));
  }
}

TEST_CASE("class labels become one-hot channels, and another ignore label works", "[losses]") {
  LossOptions options;
  options.ignore_label = 255;
  const auto target = make_target(torch::zeros({1, 3, 1, 4}), labels_of({0, 2, 255, 1}, {1, 1, 4}), options, "test");
  const auto expected = torch::tensor({1.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 1.f, 0.f, 1.f, 0.f, 0.f}).view({1, 3, 1, 4});
  REQUIRE_THAT(target.target, IsClose(expected));
  REQUIRE(target.pixels().item<double>() == 3);
}

TEST_CASE("labels of losses are refused with a sentence when they do not fit the logits", "[losses]") {
  const auto logits = torch::zeros({2, 1, 4, 4});
  const auto good = torch::zeros({2, 4, 4}, torch::kLong);
  const auto make = [](const torch::Tensor& z, const torch::Tensor& labels, LossOptions options = {}) {
    return make_target(z, labels, options, "dice_loss");
  };
  REQUIRE_NOTHROW(make(logits, good));
  REQUIRE_THROWS_WITH(make(logits, torch::zeros({2, 1, 4, 4}, torch::kLong)),
                      Contains("dice_loss") && Contains("(N, H, W) = [2, 4, 4]") && Contains("[2, 1, 4, 4]"));
  REQUIRE_THROWS_WITH(make(logits, torch::zeros({2, 4, 5}, torch::kLong)), Contains("[2, 4, 5]"));
  REQUIRE_THROWS_WITH(make(logits, good + 4), Contains("0 to 1") && Contains("got 4") && Contains("map the label"));
  REQUIRE_THROWS_WITH(make(logits, good - 2), Contains("got -2"));
  REQUIRE_THROWS_WITH(make(torch::zeros({2, 3, 4, 4}), good + 3), Contains("0 to 2") && Contains("3 classes"));
  REQUIRE_THROWS_WITH(make(logits, torch::zeros({2, 4, 4})), Contains("float labels") && Contains("[2, 1, 4, 4]"));
  REQUIRE_THROWS_WITH(make(logits, torch::full({2, 1, 4, 4}, 1.5)), Contains("[0, 1]"));
  REQUIRE_THROWS_WITH(make(logits, torch::full({2, 1, 4, 4}, std::nan(""))), Contains("[0, 1]"));
  REQUIRE_THROWS_WITH(make(torch::zeros({2, 4, 4}), good), Contains("(N, C, H, W)") && Contains("[2, 4, 4]"));
  REQUIRE_THROWS_WITH(make(torch::zeros({0, 1, 4, 4}), good), Contains("at least one entry"));
  REQUIRE_THROWS_WITH(make(logits.to(torch::kLong), good), Contains("floating"));
  REQUIRE_THROWS_WITH(make(logits, torch::Tensor()), Contains("undefined"));
  LossOptions reversed;
  reversed.reversed = true;
  REQUIRE_THROWS_WITH(make(torch::zeros({2, 3, 4, 4}), good, reversed), Contains("reversed") && Contains("3 channels"));
}

}  // namespace losses_loss_target_test
