// SPDX-License-Identifier: MIT
/// Label pictures: PNG, TIFF, BMP or lossless WebP whose numbers are classes, read unchanged. A palette PNG gives its
/// indices (the class numbers of PASCAL VOC and its like), not its colours; 1-, 2- and 4-bit grey gives 0, 1, 2 …, not
/// stretched grey; a TIFF that stores white as 0 (ImageJ's masks) gives its stored numbers, not the inverted ones that
/// are shown.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/image_checks.hpp>
#include <pam/images/image.hpp>
#include <pam/images/mask_channel.hpp>

#include <filesystem>
#include <string>

namespace pam {
namespace detail {

/// Colours back to palette indices.
torch::Tensor palette_indices(const PictureBytes& bytes, const PictureFacts& facts, const cv::Mat& mat);

/// The labels of a TIFF that pam reads itself.
torch::Tensor tiff_labels(const PictureBytes& bytes, const PictureFacts& facts, MaskChannel channel,
                          std::string* alpha);

/// One channel of an interleaved picture, and what is to be said of its alpha channel.
torch::Tensor channel_labels(const PictureBytes& bytes, const PictureFacts& facts, const cv::Mat& mat,
                             MaskChannel channel, std::string* alpha);

/// A sentence where `alpha` is not constant, else nothing.
std::string alpha_notice(const std::string& file, const torch::Tensor& alpha);

/// The one value of pixels whose three channels are equal; other colours are refused.
torch::Tensor equal_channels(const std::string& file, const torch::Tensor& rgb);

}  // namespace detail

/// Reads a label picture as (H, W) int32, values unchanged. With `MaskChannel::Grey`, RGB is taken where r = g = b, and
/// `alpha` gets a sentence where there is an alpha channel that is not constant, which is dropped: it may be the mask.
/// JPEG and lossy WebP change values; `accept_lossy` reads them all the same, colours as grey (luma), for labels that
/// `LabelMap::threshold` maps.
/// Throws `Error` naming the file: colours, float numbers, JPEG and lossy WebP unless `accept_lossy`, a channel that
/// the file does not have, and whatever `read_image` refuses.
torch::Tensor read_label_image(const std::filesystem::path& path, MaskChannel channel = MaskChannel::Grey,
                               bool accept_lossy = false, std::string* alpha = nullptr);

/// Writes labels, (H, W) of any integer type, as a grey .png or .tif: 8 bits where all values fit, else 16. Atomic.
/// Throws `Error` naming the file: values outside 0 … 65535 (map the ignore label first), another extension.
void write_label_image(const std::filesystem::path& path, const torch::Tensor& labels);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/image_labels-inl.hpp>
#endif
