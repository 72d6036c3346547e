// SPDX-License-Identifier: MIT
#include <pam/data/augment.hpp>
#include <pam/data/detail/random.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace data_random_test {
using namespace pam;
using Catch::Contains;

TEST_CASE("sample random numbers are uniform, normal and without bias", "[data]") {
  SampleRandom random(1, 2, 3);
  const int n = 100000;
  double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0;
  std::vector<int> counts(7, 0);
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(), z = random.normal();
    REQUIRE((u >= 0 && u < 1));
    sum += u, squares += u * u, normal_sum += z, normal_squares += z * z;
    ++counts[static_cast<std::size_t>(random.below(7))];
  }
  // Five standard errors of each estimate.
  REQUIRE(sum / n == Approx(0.5).margin(5 * 0.2887 / std::sqrt(n)));
  REQUIRE(squares / n == Approx(1.0 / 3).margin(5 * 0.298 / std::sqrt(n)));
  REQUIRE(normal_sum / n == Approx(0).margin(5 / std::sqrt(n)));
  REQUIRE(normal_squares / n == Approx(1).margin(5 * std::sqrt(2.0 / n)));
  for (const int count : counts) REQUIRE(count == Approx(n / 7.0).margin(5 * std::sqrt(n / 7.0)));
}

TEST_CASE("streams depend on seed, epoch and index alone", "[data]") {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed : {0, 1}) {
    for (std::uint64_t epoch : {0, 1, 2}) {
      for (std::uint64_t index : {0, 1, 2, 3}) {
        first.insert(SampleRandom(seed, epoch, index).bits());
        REQUIRE(SampleRandom(seed, epoch, index).bits() == SampleRandom(seed, epoch, index).bits());
      }
    }
  }
  REQUIRE(first.size() == 24);
  // The SplitMix64 sequence of the reference implementation (seed 1234567: 6457827717110365317, 3203168211198807973).
  struct Reference {
    std::uint64_t x = 1234567;
    std::uint64_t next() {
      std::uint64_t z = (x += 0x9e3779b97f4a7c15ULL);
      z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
      return z ^ (z >> 31U);
    }
  } reference;
  REQUIRE(reference.next() == 6457827717110365317ULL);
}

TEST_CASE("a shuffle is a permutation, and every place is as likely", "[data]") {
  std::vector<int> place_of_zero(5, 0);
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    std::vector<int> values(5);
    std::iota(values.begin(), values.end(), 0);
    SampleRandom(seed).shuffle(values);
    ++place_of_zero[static_cast<std::size_t>(std::find(values.begin(), values.end(), 0) - values.begin())];
    std::sort(values.begin(), values.end());
    REQUIRE(values == std::vector<int>{0, 1, 2, 3, 4});
  }
  for (const int count : place_of_zero) REQUIRE(count == Approx(1000).margin(5 * std::sqrt(800.0)));
}

Sample sample_of(const torch::Tensor& image, const torch::Tensor& labels) {
  return {image.clone(), labels.clone(), "a", 0};
}

TEST_CASE("flips move image and labels together", "[data]") {
  const auto image = torch::rand({2, 5, 4});
  const auto labels = torch::randint(0, 3, {5, 4}, torch::kLong);
  auto sample = sample_of(image, labels);
  augment(sample, {1, 0, 0}, SampleRandom(1));
  REQUIRE(torch::equal(sample.image, image.flip(2)));
  REQUIRE(torch::equal(sample.labels, labels.flip(1)));
  sample = sample_of(image, labels);
  augment(sample, {0, 1, 0}, SampleRandom(1));
  REQUIRE(torch::equal(sample.image, image.flip(1)));
  REQUIRE(torch::equal(sample.labels, labels.flip(0)));
  sample = sample_of(image, labels);
  augment(sample, {1, 1, 0}, SampleRandom(1));
  REQUIRE(torch::equal(sample.image, image.flip({1, 2})));
  sample = sample_of(image, labels);
  augment(sample, {}, SampleRandom(1));
  REQUIRE(torch::equal(sample.image, image));
}

TEST_CASE("noise has the asked deviation, spares labels, and flips do not depend on it", "[data]") {
  const auto image = torch::zeros({1, 100, 100});
  const auto labels = torch::ones({100, 100}, torch::kLong);
  auto sample = sample_of(image, labels);
  augment(sample, {0, 0, 0.5}, SampleRandom(4, 1, 2));
  REQUIRE(sample.image.std().item<double>() == Approx(0.5).epsilon(0.05));  // 10,000 draws: 5 standard errors are 3.5 %
  REQUIRE(torch::equal(sample.labels, labels));
  int flipped = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto row = torch::tensor({0.0F, 1000.0F}).view({1, 1, 2});
    auto plain = sample_of(row, torch::zeros({1, 2}, torch::kLong)),
         noisy = sample_of(row, torch::zeros({1, 2}, torch::kLong));
    augment(plain, {0.5, 0.5, 0}, SampleRandom(9, 0, i));
    augment(noisy, {0.5, 0.5, 1}, SampleRandom(9, 0, i));
    const bool is_flipped = plain.image[0][0][0].item<float>() > 500;
    REQUIRE(is_flipped == (noisy.image[0][0][0].item<float>() > 500));
    flipped += is_flipped ? 1 : 0;
  }
  REQUIRE(flipped == Approx(500).margin(5 * std::sqrt(250.0)));
  REQUIRE_THROWS_WITH(check_augment({1.5, 0, 0}), Contains("[0, 1]") && Contains("1.5"));
  REQUIRE_THROWS_WITH(check_augment({0, 0, -1}), Contains("standard deviation"));
}

}  // namespace data_random_test
