// SPDX-License-Identifier: MIT
#include "support/bytes.hpp"
#include "support/catch.hpp"

#include <pam/core/error.hpp>
#include <pam/inference/predict_planes.hpp>

namespace inference_predict_test {

using namespace pam;

/// Looks at single pixels, so that windows, padding and mirror images must all give exactly the same.
torch::Tensor pixelwise(const torch::Tensor& x) { return torch::sigmoid(x.sum(1, true) - 0.3); }

TEST_CASE("windows, mirror images and padding give what whole planes give for a net that sees single pixels",
          "[inference]") {
  torch::manual_seed(0);
  const auto images = torch::randn({3, 2, 45, 31});
  const auto expected = pixelwise(images);
  for (const auto& [window, overlap, min_size] : std::vector<std::tuple<std::int64_t, double, std::int64_t>>{
           {0, 0.5, 1}, {0, 0.5, 64}, {16, 0.5, 1}, {16, 0.0, 1}, {17, 0.75, 8}, {40, 0.5, 40}, {100, 0.5, 1}}) {
    for (const bool flip : {false, true}) {
      CAPTURE(window, overlap, min_size, flip);
      PredictOptions options;
      options.window = window;
      options.overlap = overlap;
      options.min_size = min_size;
      options.flip = flip;
      options.batch = 5;
      // Weighted means of equal numbers: a few roundings of float32.
      REQUIRE(torch::allclose(predict_planes(pixelwise, images, options), expected, 1e-5, 1e-6));
    }
  }
}

TEST_CASE("the net gets planes of at least its smallest size, whole where they fit", "[inference]") {
  std::vector<std::vector<std::int64_t>> seen;
  const auto spy = [&](const torch::Tensor& x) {
    seen.push_back(x.sizes().vec());
    return pixelwise(x);
  };
  PredictOptions options;
  options.min_size = 65;
  options.batch = 2;
  REQUIRE(predict_planes(spy, torch::zeros({3, 4, 80, 30}), options).sizes().vec() ==
          std::vector<std::int64_t>{3, 1, 80, 30});
  REQUIRE(seen == std::vector<std::vector<std::int64_t>>{{2, 4, 80, 65}, {1, 4, 80, 65}});
  seen.clear();
  options.max_plane_pixels = 1000;  // 80 x 30 is too large now: a window of 512 still holds it
  static_cast<void>(predict_planes(spy, torch::zeros({1, 4, 600, 30}), options));
  REQUIRE(seen == std::vector<std::vector<std::int64_t>>{{2, 4, 512, 65}});
}

TEST_CASE("windows cover every pixel, begin at 0, end at the end and overlap by the share", "[inference]") {
  for (const std::int64_t length : {16, 17, 31, 100, 257}) {
    for (const double overlap : {0.0, 0.25, 0.5, 0.9}) {
      const auto starts = pam::detail::window_starts(length, 16, overlap);
      REQUIRE(starts.front() == 0);
      REQUIRE(starts.back() == length - 16);
      for (std::size_t i = 1; i < starts.size(); ++i) {
        REQUIRE(starts[i] > starts[i - 1]);
        // Spacing is rounded down to pixels, so one step may be a pixel longer.
        REQUIRE(static_cast<double>(starts[i] - starts[i - 1]) <= 16 * (1 - overlap) + 1);
      }
    }
  }
  const auto weights = pam::detail::window_weights(16, 8);
  REQUIRE(weights.min().item<float>() > 0);
  // exp(-0.5 * ((0.5 / 2)^2 + (0.5 / 1)^2)) at the four middle pixels: deviations are 16 / 8 and 8 / 8.
  REQUIRE(std::abs(weights.max().item<double>() - std::exp(-0.5 * (0.0625 + 0.25))) < 1e-6);
}

TEST_CASE("mirror images are averaged after they are turned back", "[inference]") {
  const auto sees_the_left = [](const torch::Tensor& x) { return x.roll(1, 3); };
  const auto image = torch::rand({1, 1, 6, 7});
  PredictOptions options;
  options.flip = true;
  // Two of the four views see the left neighbour, two the right one.
  const auto expected = (image.roll(1, 3) + image.roll(-1, 3)) / 2;
  REQUIRE(torch::allclose(predict_planes(sees_the_left, image, options), expected, 1e-6, 1e-7));
}

TEST_CASE("prediction options that cannot be are refused", "[inference]") {
  const auto message = [](const PredictOptions& options, const torch::Tensor& images) {
    return test::message_of<Error>([&] { static_cast<void>(predict_planes(pixelwise, images, options)); });
  };
  const auto image = torch::zeros({1, 1, 8, 8});
  PredictOptions options;
  options.overlap = 1;
  REQUIRE_THAT(message(options, image), Catch::Contains("overlap must be in [0, 1), got 1"));
  options = {};
  options.window = 16;
  options.min_size = 65;
  REQUIRE_THAT(message(options, image), Catch::Contains("smallest input of 65 pixels per side, got 16"));
  options = {};
  options.batch = 0;
  REQUIRE_THAT(message(options, image), Catch::Contains("batch must be at least 1"));
  REQUIRE_THAT(message({}, torch::zeros({8, 8})), Catch::Contains("must be (D, C, H, W)"));
}

}  // namespace inference_predict_test
