// SPDX-License-Identifier: MIT
#include <pam/images/image_resize.hpp>

#include "support/catch.hpp"

#include <opencv2/imgproc.hpp>

namespace images_image_resize_test {

using namespace pam;

/// OpenCV: the mean over the covered area along axes that shrink, then bilinear along axes that grow.
torch::Tensor by_opencv(const torch::Tensor& image, int height, int width) {
  auto source = image.to(torch::kFloat).contiguous();
  std::vector<torch::Tensor> planes;
  for (std::int64_t c = 0; c < source.size(0); ++c) {
    const cv::Mat plane(static_cast<int>(source.size(1)), static_cast<int>(source.size(2)), CV_32F,
                        source[c].data_ptr<float>());
    cv::Mat smaller, result;
    cv::resize(plane, smaller, {std::min(width, plane.cols), std::min(height, plane.rows)}, 0, 0, cv::INTER_AREA);
    cv::resize(smaller, result, {width, height}, 0, 0, cv::INTER_LINEAR);
    planes.push_back(torch::from_blob(result.data, {height, width}).clone());
  }
  return torch::stack(planes);
}

TEST_CASE("images are resized as OpenCV resizes them", "[images]") {
  torch::manual_seed(1);
  const std::vector<std::pair<int, int>> sizes{{20, 30}, {40, 60}, {10, 15}, {7, 61},   {80, 13},
                                               {1, 1},   {41, 59}, {39, 60}, {40, 120}, {97, 131}};
  const auto bytes = torch::randint(0, 256, {3, 40, 60}, torch::kByte);
  const auto values = torch::randn({2, 40, 60});
  for (const auto& [height, width] : sizes) {
    CAPTURE(height, width);
    // Bytes are rounded to bytes: half a step. OpenCV's bilinear weights are differences of float32 positions of up to
    // 60, each rounded by up to 4e-6: of bytes 1e-3, of values of about 1 less than 1e-5.
    const auto ours = resize_image(bytes, height, width).to(torch::kFloat), theirs = by_opencv(bytes, height, width);
    CHECK((ours - theirs).abs().max().item<double>() < 0.5 + 1e-3);
    CHECK(torch::allclose(resize_image(values, height, width), by_opencv(values, height, width), 1e-5, 1e-5));
  }
  // Halves and quarters are exact in both.
  CHECK(torch::equal(resize_image(bytes, 20, 30).to(torch::kFloat), by_opencv(bytes, 20, 30).round()));
}

}  // namespace images_image_resize_test
