// SPDX-License-Identifier: MIT
#include <pam/data/normalise.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

namespace data_normalise_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// Two channels of Hounsfield units: whole numbers, some of them 0.
torch::Tensor hounsfield() {
  auto image = torch::randint(-1000, 1500, {2, 3, 8, 8}, torch::kFloat);
  image[0][0][0][0] = 0;
  return image;
}

TEST_CASE("the z-score over all voxels has mean 0 and deviation 1, and 0 is a value as any other", "[data]") {
  const auto stored = hounsfield();
  auto image = stored.clone();
  zscore_all(image);
  const auto wide = stored.to(torch::kDouble).view({2, -1});
  const auto expected = (wide - wide.mean(1, true)) / wide.std(1, /*unbiased=*/false, true);
  // float32 rounds values of up to 3 to 2e-7.
  REQUIRE_THAT(image.view({2, -1}), IsClose(expected.to(torch::kFloat)).atol(1e-6));
  REQUIRE(image[0][0][0][0].item<float>() != 0);
  auto flat = torch::full({1, 4, 4}, 7.0F);
  zscore_all(flat);
  REQUIRE(flat.abs().max().item<float>() == 0);
}

TEST_CASE("a shift of all intensities leaves the z-score over all voxels, and a window shifted with it", "[data]") {
  const auto stored = hounsfield();
  auto plain = stored.clone(), shifted = stored + 5000;
  zscore_all(plain), zscore_all(shifted);
  // The mean of the shifted numbers is rounded in the last digits of a double.
  REQUIRE_THAT(shifted, IsClose(plain).atol(1e-6));
  plain = stored.clone(), shifted = stored + 5000;
  scale_window(plain, -100, 400), scale_window(shifted, 4900, 5400);
  REQUIRE(torch::equal(shifted, plain));  // differences of whole numbers are exact
  REQUIRE(torch::allclose(plain, stored.add(100).div(500).clamp(0, 1)));
}

TEST_CASE("from the smallest to the largest value is 0 to 1 in each channel", "[data]") {
  auto image = torch::tensor({-4.0F, 0.0F, 4.0F, 10.0F, 10.0F, 10.0F}).view({2, 1, 3});
  scale_minmax(image);
  REQUIRE(torch::equal(image, torch::tensor({0.0F, 0.5F, 1.0F, 0.0F, 0.0F, 0.0F}).view({2, 1, 3})));
}

TEST_CASE("windows are read from their text, anything else is none", "[data]") {
  double low = 0, high = 0;
  REQUIRE(window_from_string("window:-100:400.5", low, high));
  REQUIRE((low == -100 && high == 400.5));
  for (const char* text : {"window", "window:", "window:1", "window:5:5", "window:5:1", "window:a:b", "window:1:2:3",
                           "window:1:nan", "window:1:1e999", "windows:1:2", "window:1 :2"}) {
    CAPTURE(text);
    CHECK_FALSE(window_from_string(text, low, high));
  }
  auto image = torch::zeros({1, 2, 2});
  REQUIRE_THROWS_WITH(scale_window(image, 3, 3), Contains("from the lower to the higher value"));
}

}  // namespace data_normalise_test
