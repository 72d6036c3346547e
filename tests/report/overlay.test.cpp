// SPDX-License-Identifier: MIT
/// Overlays: every pixel's colour by hand, windows, tiles, and the choice of slices.
#include <pam/report/overlay.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

namespace report_overlay_test {
using namespace pam;
using test::IsClose;

std::vector<int> pixel(const torch::Tensor& picture, std::int64_t row, std::int64_t column) {
  std::vector<int> out;
  for (int c = 0; c < 3; ++c) out.push_back(picture[row][column][c].item<int>());
  return out;
}
std::vector<int> ints(const Rgb& colour) { return {colour[0], colour[1], colour[2]}; }

TEST_CASE("An overlay paints true positives yellow, false negatives blue, false positives red, and nothing else",
          "[report]") {
  const auto image = torch::full({2, 3}, 0.5);
  //                                   tn tp fn / fp ignored wrong class
  const auto truth = torch::tensor({{0, 1, 1}, {0, -1, 2}}, torch::kLong);
  const auto prediction = torch::tensor({{0, 1, 0}, {1, 1, 1}}, torch::kLong);
  OverlayOptions options;
  options.alpha = 1;
  const auto picture = overlay(image, prediction, truth, options);
  const std::vector<int> grey{128, 128, 128};  // 0.5 · 255 rounded to even
  REQUIRE(pixel(picture, 0, 0) == grey);
  REQUIRE(pixel(picture, 0, 1) == ints(kTruePositiveColour));
  REQUIRE(pixel(picture, 0, 2) == ints(kFalseNegativeColour));
  REQUIRE(pixel(picture, 1, 0) == ints(kFalsePositiveColour));
  REQUIRE(pixel(picture, 1, 1) == grey);
  REQUIRE(pixel(picture, 1, 2) == ints(kFalsePositiveColour));
  options.alpha = 0.25;
  const auto blended = pixel(overlay(image, prediction, truth, options), 1, 0);
  for (std::size_t c = 0; c < 3; ++c) {
    REQUIRE(blended[c] == Approx(0.75 * 127.5 + 0.25 * kFalsePositiveColour[c]).margin(0.5));
  }
}

TEST_CASE("An overlay takes grey and RGB images, flips, scales, and survives NaN", "[report]") {
  auto image = torch::zeros({3, 1, 2});
  image[0][0][0] = 1;                                        // a red pixel on the left
  image[1][0][1] = std::numeric_limits<float>::quiet_NaN();  // black, not garbage
  OverlayOptions options;
  options.scale = 2;
  options.flip_columns = true;
  const auto none = torch::zeros({1, 2}, torch::kLong);
  const auto picture = overlay(image, none, none, options);
  REQUIRE(picture.sizes() == torch::IntArrayRef({2, 4, 3}));
  REQUIRE(pixel(picture, 1, 3) == std::vector<int>{255, 0, 0});
  REQUIRE(pixel(picture, 0, 0) == std::vector<int>{0, 0, 0});
  options.flip_columns = false;
  options.flip_rows = true;
  options.scale = 1;
  const auto column = torch::tensor({{0.F}, {1.F}});
  REQUIRE(pixel(plain_picture(column, options), 0, 0) == std::vector<int>{255, 255, 255});
}

TEST_CASE("The robust window ignores air and one bright voxel, and keeps negative values", "[report]") {
  auto image = torch::cat({torch::zeros({500}), torch::arange(1, 1001).to(torch::kFloat), torch::tensor({1e6F})});
  auto window = robust_window(image);
  REQUIRE(window.low == 0);
  REQUIRE(window.high == Approx(990).margin(2));  // the 99th percentile of 1 … 1000 and the outlier
  window = robust_window(torch::arange(-1000, 1001));
  REQUIRE(window.low == Approx(-980).margin(2));
  REQUIRE(window.high == Approx(980).margin(2));
  window = robust_window(torch::zeros({4}));
  REQUIRE(window.high > window.low);
  window = robust_window(torch::full({4}, -3.0));
  REQUIRE(window.high > window.low);
}

TEST_CASE("Slices are picked by foreground or by error, apart from each other, and never empty ones", "[report]") {
  auto truth = torch::zeros({40, 8, 8}, torch::kLong), prediction = torch::zeros_like(truth);
  // Foreground grows up to slice 20 and shrinks again; slices 0 to 4 and 36 to 39 have none.
  for (std::int64_t z = 5; z <= 35; ++z) truth[z].view(-1).narrow(0, 0, 2 * (16 - std::abs(z - 20))).fill_(1);
  prediction.copy_(truth);
  prediction[9].fill_(1);   // worst
  prediction[30].fill_(0);  // second worst
  auto most = pick_slices(prediction, truth, 3, SliceRule::MostForeground);
  REQUIRE(most.size() == 3);
  REQUIRE(std::count(most.begin(), most.end(), 20) == 1);
  for (std::size_t i = 1; i < most.size(); ++i) REQUIRE(most[i] - most[i - 1] >= 5);  // 31 slices / (2 · 3)
  REQUIRE(pick_slices(prediction, truth, 5, SliceRule::WorstError) == std::vector<std::int64_t>{9, 30});
  REQUIRE(pick_slices(truth, torch::zeros_like(truth), 1, SliceRule::MostForeground) == std::vector<std::int64_t>{20});
  REQUIRE(pick_slices(truth, truth, 4, SliceRule::WorstError).empty());
  truth.fill_(-1);  // all ignored
  REQUIRE(pick_slices(prediction, truth, 4, SliceRule::WorstError).empty());
}

TEST_CASE("Tiles keep every picture whole, in reading order", "[report]") {
  const auto red = torch::tensor({255, 0, 0}, torch::kByte).expand({2, 2, 3}),
             wide = torch::full({2, 4, 3}, 9, torch::kByte);
  const auto sheet = tile({red, wide, red}, 2, 1);
  REQUIRE(sheet.sizes() == torch::IntArrayRef({5, 9, 3}));
  REQUIRE(pixel(sheet, 0, 1) == std::vector<int>{255, 0, 0});  // centred in a cell of width 4
  REQUIRE(pixel(sheet, 0, 5) == std::vector<int>{9, 9, 9});
  REQUIRE(pixel(sheet, 4, 2) == std::vector<int>{255, 0, 0});
  REQUIRE((sheet == 255).sum().item<int>() == 8);
}

TEST_CASE("Overlays of unlike sizes, of several modalities, and absurd options are refused", "[report]") {
  const auto image = torch::zeros({4, 4}), labels = torch::zeros({4, 4}, torch::kLong);
  REQUIRE_THROWS_WITH(overlay(image, labels, torch::zeros({4, 5}, torch::kLong)),
                      Catch::Contains("one size") && Catch::Contains("[4, 5]"));
  REQUIRE_THROWS_WITH(overlay(torch::zeros({2, 4, 4}), labels, labels), Catch::Contains("one modality"));
  OverlayOptions options;
  options.alpha = 1.5;
  REQUIRE_THROWS_WITH(overlay(image, labels, labels, options), Catch::Contains("alpha"));
  REQUIRE_THROWS_AS(pick_slices(labels, labels, 1, SliceRule::WorstError), Error);
  REQUIRE_THROWS_AS(tile({}, 2), Error);
}

}  // namespace report_overlay_test
