// SPDX-License-Identifier: MIT
/// Label pictures: PNG, TIFF, BMP or lossless WebP whose numbers are classes, read unchanged. A palette PNG gives its
/// indices (the class numbers of PASCAL VOC and its like), not its colours; 1-, 2- and 4-bit grey gives 0, 1, 2 …, not
/// stretched grey; a TIFF that stores white as 0 (ImageJ's masks) gives its stored numbers, not the inverted ones that
/// are shown.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/image_checks.hpp>
#include <pam/images/image.hpp>

#include <filesystem>
#include <string>

namespace pam {
namespace detail {

/// Colours back to palette indices.
torch::Tensor palette_indices(const PictureBytes& bytes, const PictureFacts& facts, const cv::Mat& mat);

/// The labels of a TIFF that pam reads itself.
torch::Tensor tiff_labels(const PictureBytes& bytes, const PictureFacts& facts);

/// The one value of pixels whose three channels are equal; other colours are refused.
torch::Tensor equal_channels(const std::string& file, const torch::Tensor& rgb);

}  // namespace detail

/// Reads a label picture as (H, W) int32, values unchanged. RGB is taken where r = g = b, alpha is dropped.
/// Throws `Error` naming the file: colours, float numbers, JPEG and lossy WebP (they change values), and whatever
/// `read_image` refuses.
torch::Tensor read_label_image(const std::filesystem::path& path);

/// Writes labels, (H, W) of any integer type, as a grey .png or .tif: 8 bits where all values fit, else 16. Atomic.
/// Throws `Error` naming the file: values outside 0 … 65535 (map the ignore label first), another extension.
void write_label_image(const std::filesystem::path& path, const torch::Tensor& labels);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/image_labels-inl.hpp>
#endif
