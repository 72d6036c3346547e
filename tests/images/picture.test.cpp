// SPDX-License-Identifier: MIT
/// PNG: what is written is what Python's decoder (or OpenCV) reads back, to the pixel.
#include <pam/images/picture.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>
#include <iterator>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace images_picture_test {
using namespace pam;

TEST_CASE("A picture written as PNG comes back with red as red", "[images]") {
  test::TempDir folder;
  auto picture = torch::zeros({2, 3, 3}, torch::kByte);
  picture[0][1][0] = 255;
  picture[1][2][2] = 7;
  write_png(folder / "p.png", picture);
  const auto back = cv::imread((folder / "p.png").string(), cv::IMREAD_COLOR);
  REQUIRE(back.rows == 2);
  REQUIRE(back.cols == 3);
  REQUIRE(back.at<cv::Vec3b>(0, 1) == cv::Vec3b(0, 0, 255));  // OpenCV holds BGR
  REQUIRE(back.at<cv::Vec3b>(1, 2) == cv::Vec3b(7, 0, 0));
  REQUIRE(encode_png(picture).substr(0, 8) == "\x89PNG\r\n\x1a\n");
}

TEST_CASE("Strided pictures are written as they look", "[images]") {
  const auto picture = torch::arange(2 * 3 * 4).to(torch::kByte).view({3, 2, 4}).permute({1, 2, 0});
  const auto bytes = encode_png(picture);
  const auto back = cv::imdecode(std::vector<unsigned char>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
  REQUIRE(back.at<cv::Vec3b>(1, 2) == cv::Vec3b(16 + 6, 8 + 6, 6));
}

TEST_CASE("What is not a picture is refused, and an unwritable place leaves nothing behind", "[images]") {
  REQUIRE_THROWS_WITH(encode_png(torch::zeros({3, 4, 4}, torch::kByte)), Catch::Contains("(H, W, 3)"));
  REQUIRE_THROWS_WITH(encode_png(torch::zeros({4, 4, 3})), Catch::Contains("uint8"));
  test::TempDir folder;
  REQUIRE_THROWS_WITH(write_png(folder / "missing" / "p.png", torch::zeros({4, 4, 3}, torch::kByte)),
                      Catch::Contains("missing"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "missing"));
}

}  // namespace images_picture_test
