// SPDX-License-Identifier: MIT
#include "explain/heat.hpp"

#include <pam/core/error.hpp>

#include <opencv2/imgproc.hpp>

namespace pam::apps {
namespace {

cv::Mat view(torch::Tensor& picture, int type) {
  return {static_cast<int>(picture.size(0)), static_cast<int>(picture.size(1)), type, picture.data_ptr()};
}

}  // namespace

torch::Tensor heat_colours(const torch::Tensor& values) {
  check(values.dim() == 2, "heat_colours: values must be (H, W), got {}", shape_string(values));
  auto grey =
      (values.to(torch::kCPU, torch::kFloat).nan_to_num(0).clamp(0, 1) * 255).round().to(torch::kByte).contiguous();
  auto colours = torch::empty({grey.size(0), grey.size(1), 3}, torch::kByte);
  cv::Mat bgr;
  cv::applyColorMap(view(grey, CV_8UC1), bgr, cv::COLORMAP_VIRIDIS);
  auto rgb = view(colours, CV_8UC3);
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return colours;
}

torch::Tensor captioned(const torch::Tensor& picture, const std::string& text) {
  constexpr std::int64_t kHeight = 22;
  auto sheet = torch::full({picture.size(0) + kHeight, picture.size(1), 3}, 24, torch::kByte);
  sheet.narrow(0, kHeight, picture.size(0)).copy_(picture);
  auto mat = view(sheet, CV_8UC3);
  cv::putText(mat, text, {4, 15}, cv::FONT_HERSHEY_SIMPLEX, 0.42, {235, 235, 235}, 1, cv::LINE_AA);
  return sheet;
}

}  // namespace pam::apps
