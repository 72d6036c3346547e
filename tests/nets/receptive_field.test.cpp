// SPDX-License-Identifier: MIT
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/receptive_field.hpp>

#include "support/tensor_matchers.hpp"

namespace nets_receptive_field_test {

using namespace pam;

torch::Tensor box(const torch::Tensor& x, std::int64_t dilation = 1) {
  return torch::conv2d(x, torch::ones({1, 1, 3, 3}), {}, 1, dilation, dilation);
}

ReceptiveFieldOptions small() {
  ReceptiveFieldOptions options;
  options.size = 33;
  options.samples = 2;
  return options;
}

TEST_CASE("a 3x3 box sees nine pixels alike: radius sqrt(2)", "[nets]") {
  const auto field = receptive_field([](const torch::Tensor& x) { return box(x); }, small());
  auto expected = torch::zeros({33, 33}, torch::kDouble);
  expected.slice(0, 15, 18).slice(1, 15, 18).fill_(1.0 / 9);
  REQUIRE_THAT(field.energy(), test::IsClose(expected).atol(1e-12));
  REQUIRE(field.radius(1.0) == Approx(std::sqrt(2.0)));
  REQUIRE(field.radius(5.0 / 9) == Approx(1.0));  // the centre and its four neighbours
  REQUIRE(field.radius(0.1) == 0.0);
}

TEST_CASE("dilation d widens a box to radius sqrt(2) * d, two boxes have the triangle's energy", "[nets]") {
  const auto wide = receptive_field([](const torch::Tensor& x) { return box(x, 9); }, small());
  REQUIRE(wide.radius(1.0) == Approx(9 * std::sqrt(2.0)));
  const auto twice = receptive_field([](const torch::Tensor& x) { return box(box(x)); }, small());
  // Weights 1 2 3 2 1 in each direction: energy (1 + 4 + 9 + 4 + 1)^2 = 361, 81 of it at the centre.
  REQUIRE(twice.energy()[16][16].item<double>() == Approx(81.0 / 361));
}

TEST_CASE("a strided map is measured about the pixel that its centre looks at", "[nets]") {
  const auto strided = [](const torch::Tensor& x) { return torch::conv2d(x, torch::ones({1, 1, 3, 3}), {}, 2, 1); };
  for (const std::int64_t size : {32, 33}) {
    auto options = small();
    options.size = size;
    REQUIRE(receptive_field(strided, options).radius(1.0) == Approx(std::sqrt(2.0)));
  }
}

TEST_CASE("a constant output and impossible options are refused", "[nets]") {
  REQUIRE_THROWS_WITH(receptive_field([](const torch::Tensor& x) { return x * 0; }, small()),
                      Catch::Contains("does not depend"));
  auto options = small();
  options.samples = 0;
  REQUIRE_THROWS_WITH(receptive_field([](const torch::Tensor& x) { return x; }, options), Catch::Contains("samples"));
}

}  // namespace nets_receptive_field_test
