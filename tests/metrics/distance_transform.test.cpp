// SPDX-License-Identifier: MIT
#include <pam/metrics/distance_transform.hpp>

#include "metrics/masks.hpp"
#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

#include <cmath>

namespace metrics_distance_transform_test {
using namespace pam;
using Catch::Contains;
using pam::test::IsClose;

// 1e-12: a sum of three rounded squares, and its root.
constexpr double kRounding = 1e-12;

/// The definition: for each non-zero entry the smallest distance to a zero one, O(voxels²).
torch::Tensor brute_force(const torch::Tensor& mask, const std::vector<double>& spacing) {
  const auto steps = torch::tensor(spacing, torch::kDouble);
  const auto inside = mask.nonzero().to(torch::kDouble) * steps,
             zeros = mask.eq(0).nonzero().to(torch::kDouble) * steps;
  auto result = torch::zeros(mask.sizes(), torch::kDouble);
  const auto differences = inside.unsqueeze(1) - zeros.unsqueeze(0);
  result.masked_scatter_(mask.ne(0), std::get<0>(differences.square().sum(2).sqrt().min(1)));
  return result;
}

TEST_CASE("distance_transform is exact on random masks in 1, 2 and 3 dimensions, with any spacing", "[metrics]") {
  torch::manual_seed(GENERATE(1, 2, 3));
  const auto shape =
      GENERATE(std::vector<std::int64_t>{41}, std::vector<std::int64_t>{13, 19}, std::vector<std::int64_t>{1, 23},
               std::vector<std::int64_t>{23, 1}, std::vector<std::int64_t>{17, 33}, std::vector<std::int64_t>{7, 9, 11},
               std::vector<std::int64_t>{1, 9, 8}, std::vector<std::int64_t>{8, 1, 5});
  const auto foreground = GENERATE(0.3, 0.9, 0.99);  // 0.99: long distances, lines without any zero
  CAPTURE(shape, foreground);
  auto mask = (torch::rand(shape) < foreground).to(torch::kByte);
  mask.view(-1)[torch::randint(0, mask.numel(), {1}).item<std::int64_t>()].fill_(0);
  for (const auto& all : {std::vector<double>{1, 1, 1}, {2, 0.5, 0.7}, {0.001, 3.3, 40}}) {
    const std::vector<double> spacing(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shape.size()));
    REQUIRE_THAT(distance_transform(mask, spacing), IsClose(brute_force(mask, spacing)).rtol(kRounding));
  }
  REQUIRE_THAT(distance_transform(mask),
               IsClose(brute_force(mask, std::vector<double>(shape.size(), 1))).rtol(kRounding));
}

TEST_CASE("distance_transform has a closed form around a single zero", "[metrics]") {
  auto mask = torch::ones({50, 60, 70}, torch::kBool);
  mask[20][59][0] = false;
  const auto axis = [](std::int64_t n, std::int64_t centre, double step) {
    return ((torch::arange(n, torch::kDouble) - static_cast<double>(centre)) * step).square();
  };
  const auto expected =
      (axis(50, 20, 3).view({50, 1, 1}) + axis(60, 59, 0.5).view({1, 60, 1}) + axis(70, 0, 0.25)).sqrt();
  REQUIRE_THAT(distance_transform(mask, {3, 0.5, 0.25}), IsClose(expected).rtol(kRounding));
}

TEST_CASE("distance_transform is infinite without zeros and 0 without anything else", "[metrics]") {
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{5}, {5, 6}, {3, 5, 6}, {1, 1}}) {
    const auto far = distance_transform(torch::ones(shape, torch::kLong));
    REQUIRE(far.isinf().all().item<bool>());
    REQUIRE(distance_transform(torch::zeros(shape, torch::kBool)).abs().max().item<double>() == 0);
  }
  REQUIRE(distance_transform(torch::zeros({0, 4}, torch::kBool)).numel() == 0);
}

TEST_CASE("distance_transform reads views and does not change the mask", "[metrics]") {
  torch::manual_seed(4);
  const auto mask = (torch::rand({20, 30}) < 0.8).to(torch::kInt) * 7;
  const auto copy = mask.clone();
  REQUIRE_THAT(distance_transform(mask.t(), {2, 1}), IsClose(distance_transform(mask, {1, 2}).t()).rtol(kRounding));
  REQUIRE_THAT(distance_transform(mask.flip({1})), IsClose(distance_transform(mask).flip({1})).rtol(kRounding));
  REQUIRE(torch::equal(mask, copy));
}

TEST_CASE("distance_transform equals scipy.ndimage.distance_transform_edt", "[metrics]") {
  torch::manual_seed(5);
  nlohmann::json data;
  std::vector<torch::Tensor> found;
  const std::vector<std::pair<std::vector<std::int64_t>, std::vector<double>>> cases{
      {{97, 123}, {1, 1}}, {{60, 77}, {2, 0.5}}, {{12, 31, 27}, {1, 1, 1}}, {{9, 24, 33}, {5, 0.9375, 0.9375}}};
  for (const auto& [shape, spacing] : cases) {
    const auto mask = 1 - pam::test::blob_mask(shape, 4);
    data.push_back({{"shape", shape}, {"spacing", spacing}, {"mask", pam::test::entries<std::int64_t>(mask)}});
    found.push_back(distance_transform(mask, spacing));
  }
  const auto answer = pam::test::ask_python("numpy, scipy.ndimage", R"(
answer = [scipy.ndimage.distance_transform_edt(numpy.array(c['mask']).reshape(c['shape']), sampling=c['spacing'])
          .ravel().tolist() for c in data])",
                                            data);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto expected = torch::tensor((*answer)[i].get<std::vector<double>>(), torch::kDouble).view(cases[i].first);
    REQUIRE_THAT(found[i], IsClose(expected).rtol(kRounding));
  }
}

TEST_CASE("distance_transform refuses masks and spacings that make no sense", "[metrics]") {
  const auto mask = torch::ones({4, 5}, torch::kBool);
  REQUIRE_THROWS_WITH(distance_transform(mask, {1, 1, 1}), Contains("2 axes") && Contains("got 3"));
  REQUIRE_THROWS_WITH(distance_transform(mask, {1, 0}), Contains("positive") && Contains("got 0"));
  REQUIRE_THROWS_WITH(distance_transform(mask, {-1, 1}), Contains("got -1"));
  REQUIRE_THROWS_WITH(distance_transform(mask, {1, std::nan("")}), Contains("finite"));
  REQUIRE_THROWS_WITH(distance_transform(torch::rand({4, 5})), Contains("whole numbers") && Contains("Float"));
  REQUIRE_THROWS_WITH(distance_transform(torch::ones({1, 1, 4, 5}, torch::kBool)), Contains("1 to 3 axes"));
  REQUIRE_THROWS_WITH(distance_transform(torch::Tensor()), Contains("undefined"));
}

}  // namespace metrics_distance_transform_test
