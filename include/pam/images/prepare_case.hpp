// SPDX-License-Identifier: MIT
/// `prepare_case`: an image in memory as `load_case` prepares one from files. Needs only LibTorch.
#pragma once

#include <pam/core/config.hpp>
#include <pam/images/case.hpp>
#include <pam/images/case_options.hpp>

#include <string>

namespace pam {

/// `image` with its stored intensities, prepared as `load_case` prepares a file that holds them: a picture (C, H, W),
/// uint8 (8 bits), int32 (0 to 65535, 16 bits) or floating point, in RGB order; or a volume (C, Z, H, W) of any type.
/// `name` stands for the file in messages. The tensor itself is left as it is.
/// Throws `Error` for other shapes and types, NaN and infinity (unless `CaseOptions::zero_non_finite`), and options
/// that do not fit: volumes are not resized.
[[nodiscard]] Case prepare_case(const torch::Tensor& image, const CaseOptions& options = {},
                                const std::string& name = "image");

/// Why 0 is no background in `source`, whose intensities are as stored (`Normalise::None`): "FILE: holds negative
/// values, down to -1000" or "FILE: only 3 of 5000 voxels are 0"; empty where 0 is one, as in skull-stripped MRI, and
/// for channels of one value. `Normalise::ZScoreNonzero` is for images with such a background.
[[nodiscard]] std::string background_doubt(const Case& source);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/prepare_case-inl.hpp>
#endif
