// SPDX-License-Identifier: MIT
/// Intensities before training: z-score per case and modality, over the voxels that are not 0.
#pragma once

#include <pam/core/error.hpp>

#include <string>

namespace pam {

/// What `load_case` does with intensities.
enum class Normalise {
  Auto,    ///< volumes: ZScore; pictures: Unit
  ZScore,  ///< `zscore_nonzero`
  Unit,    ///< integers of pictures divided by 255 (8 bits) or 65535 (16 bits); volumes are refused
  None,    ///< as stored
};
const char* to_string(Normalise value);
inline const char* option_names(Normalise) { return "\"auto\", \"zscore\", \"unit\" or \"none\""; }
bool from_string(const std::string& name, Normalise& value);

/// (x - mean) / std for every channel of `image`, (C, …) float32, in place: mean and population standard deviation
/// over the non-zero voxels (skull-stripped MRI: the brain); zeros stay 0. A channel of one value becomes 0 there.
/// Sums are in double. The values must be finite.
void zscore_nonzero(torch::Tensor& image);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/data/normalise-inl.hpp>
#endif
