// SPDX-License-Identifier: MIT
/// Internals of images/image.hpp: the TIFF files that OpenCV refuses, or changes while it reads: BigTIFF, tiles,
/// palettes, signed and 32-bit integers, an orientation. Strips or tiles, not compressed or by LZW, Deflate, PackBits.
#pragma once

#include <pam/core/config.hpp>
#include <pam/images/detail/image_checks.hpp>

namespace pam::detail {

/// Whether pam reads this TIFF itself. Throws `Error` with the reason where neither pam nor OpenCV can.
bool is_tiff_of_pam(const PictureBytes& bytes, const PictureFacts& facts);

/// The numbers as they are stored, (samples, H, W), turned as the file's orientation says: uint8 (of 1 to 8 bits, a
/// palette's indices too), int8, int32 (unsigned of 16 bits), int16, int64 (of 32 bits), float32 or float64.
/// Throws `Error` for damage.
torch::Tensor read_tiff_numbers(const PictureBytes& bytes, const PictureFacts& facts);

/// The numbers of `read_tiff_numbers` as a picture, (1 or 3, H, W): uint8, int32 or float32.
torch::Tensor tiff_picture(const PictureBytes& bytes, const PictureFacts& facts);

/// A (C, H, W) picture turned or mirrored as EXIF's orientation 1 … 8 says.
torch::Tensor upright(const torch::Tensor& planes, int orientation);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/tiff_reader-inl.hpp>
#endif
