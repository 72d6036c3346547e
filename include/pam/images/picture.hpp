// SPDX-License-Identifier: MIT
/// Pictures ((H, W, 3) uint8, RGB) as PNG: as bytes, or as a file. Needs OpenCV's imgcodecs (pam's component io).
#pragma once

#include <pam/core/error.hpp>

#include <filesystem>
#include <string>

namespace pam {

/// `picture` as the bytes of a PNG file. Throws `Error` unless it is (H, W, 3) uint8.
[[nodiscard]] std::string encode_png(const torch::Tensor& picture);

/// Writes `picture` as a PNG file, atomically.
void write_png(const std::filesystem::path& path, const torch::Tensor& picture);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/picture-inl.hpp>
#endif
