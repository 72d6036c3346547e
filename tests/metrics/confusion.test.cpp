// SPDX-License-Identifier: MIT
#include <pam/metrics/confusion.hpp>

#include "support/catch.hpp"

namespace metrics_confusion_test {
using namespace pam;
using Catch::Contains;

torch::Tensor mask(std::vector<std::int64_t> values) { return torch::tensor(values, torch::kLong); }

TEST_CASE("confusion counts each pair of labels where it belongs", "[metrics]") {
  const auto c = confusion(mask({1, 1, 1, 0, 0, 0, 0, 0, 0, 0}), mask({1, 0, 0, 1, 1, 1, 0, 0, 0, 0}));
  REQUIRE(c == Confusion{1, 2, 3, 4});
  REQUIRE(c.total() == 10);
  REQUIRE(c.background() == Confusion{4, 3, 2, 1});
  Confusion sum = c;
  sum += {10, 20, 30, 40};
  REQUIRE(sum == Confusion{11, 22, 33, 44});
  REQUIRE(c + c == Confusion{2, 4, 6, 8});
  REQUIRE(c != sum);
}

TEST_CASE("ignored pixels are not counted, and the prediction may hold anything there", "[metrics]") {
  REQUIRE(confusion(mask({1, 0, 9, 1}), mask({1, 1, -1, -1})) == Confusion{1, 0, 1, 0});
  REQUIRE(confusion(mask({1, 0, 1}), mask({255, 1, 255}), 255) == Confusion{0, 0, 1, 0});
  REQUIRE(confusion(mask({1, 0}), mask({-1, -1})) == Confusion{});
}

TEST_CASE("confusion takes every integer type and bool, any shape, and views", "[metrics]") {
  const auto p = mask({1, 1, 0, 0, 1, 0}).view({2, 3}), t = mask({1, 0, 0, 1, 1, 0}).view({2, 3});
  for (const auto type : {torch::kBool, torch::kByte, torch::kChar, torch::kShort, torch::kInt, torch::kLong}) {
    REQUIRE(confusion(p.to(type), t) == Confusion{2, 1, 1, 2});
    REQUIRE(confusion(p.t(), t.to(type).t()) == Confusion{2, 1, 1, 2});
  }
}

TEST_CASE("confusion by class counts each class against the rest", "[metrics]") {
  torch::manual_seed(1);
  const auto p = torch::randint(0, 4, {5, 6, 7}, torch::kLong), t = torch::randint(-1, 4, {5, 6, 7}, torch::kLong);
  const auto by_class = confusion_by_class(p, t, 4);
  REQUIRE(by_class.size() == 4);
  for (std::int64_t c = 0; c < 4; ++c) {
    CAPTURE(c);
    // The definition, voxel by voxel.
    const auto counted = t != -1, in_p = p == c, in_t = t == c;
    const auto count = [&](const torch::Tensor& a, const torch::Tensor& b) {
      return a.logical_and(b).logical_and(counted).sum().item<std::int64_t>();
    };
    REQUIRE(by_class[c] == Confusion{count(in_p, in_t), count(in_p, ~in_t), count(~in_p, in_t), count(~in_p, ~in_t)});
  }
}

TEST_CASE("masks that cannot be compared are refused with a sentence", "[metrics]") {
  const auto good = torch::zeros({4, 5}, torch::kLong);
  const auto compare = [](const torch::Tensor& p, const torch::Tensor& t, std::int64_t classes = 2) {
    return confusion_by_class(p, t, classes);
  };
  REQUIRE_NOTHROW(compare(good, good));
  REQUIRE_THROWS_WITH(compare(good, torch::zeros({5, 4}, torch::kLong)),
                      Contains("[4, 5]") && Contains("[5, 4]") && Contains("one shape"));
  REQUIRE_THROWS_WITH(compare(torch::rand({4, 5}), good),
                      Contains("the prediction") && Contains("Float") && Contains("threshold"));
  REQUIRE_THROWS_WITH(compare(good, good.to(torch::kDouble)), Contains("the truth") && Contains("whole numbers"));
  REQUIRE_THROWS_WITH(compare(good, good + 2), Contains("unknown label 2 in the truth") && Contains("map"));
  REQUIRE_THROWS_WITH(compare(good - 1, good), Contains("unknown label -1 in the prediction"));
  REQUIRE_THROWS_WITH(compare(good + 3, good, 3), Contains("unknown label 3") && Contains("0 to 2"));
  REQUIRE_THROWS_WITH(compare(good, torch::Tensor()), Contains("truth is undefined"));
  REQUIRE_THROWS_WITH(compare(torch::zeros({0, 5}, torch::kLong), torch::zeros({0, 5}, torch::kLong)),
                      Contains("nothing to compare"));
  REQUIRE_THROWS_WITH(compare(good, good, 1), Contains("number of classes"));
}

}  // namespace metrics_confusion_test
