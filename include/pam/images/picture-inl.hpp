// SPDX-License-Identifier: MIT
/// The definitions of picture.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/images/picture.hpp>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

PAM_FUNC std::string encode_png(const torch::Tensor& picture) {
  check(picture.defined() && picture.dim() == 3 && picture.size(2) == 3 && picture.scalar_type() == torch::kByte &&
            picture.numel() > 0,
        "encode_png: a picture must be (H, W, 3) uint8, got {}", shape_string(picture));
  const auto rgb = picture.to(torch::kCPU).contiguous();
  const cv::Mat view(static_cast<int>(rgb.size(0)), static_cast<int>(rgb.size(1)), CV_8UC3, rgb.data_ptr());
  cv::Mat bgr;
  cv::cvtColor(view, bgr, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> bytes;
  check(cv::imencode(".png", bgr, bytes, {cv::IMWRITE_PNG_COMPRESSION, 9}),
        "encode_png: OpenCV could not encode a picture of shape {}", shape_string(picture));
  return {bytes.begin(), bytes.end()};
}

PAM_FUNC void write_png(const std::filesystem::path& path, const torch::Tensor& picture) {
  const auto bytes = encode_png(picture);
  write_atomically(path, bytes);
}

}  // namespace pam
