// SPDX-License-Identifier: MIT
/// Intensities before training: z-score per case and modality, over all voxels or those that are not 0, or a range.
#pragma once

#include <pam/core/error.hpp>

#include <string>

namespace pam {

/// What `load_case` does with intensities.
enum class Normalise {
  Auto,           ///< volumes: ZScoreNonzero; pictures: Unit
  ZScoreNonzero,  ///< `zscore_nonzero`: skull-stripped MRI, where 0 is outside of the brain
  Unit,           ///< integers of pictures divided by 255 (8 bits) or 65535 (16 bits); volumes are refused
  None,           ///< as stored
  ZScoreAll,      ///< `zscore_all`: images that have no background of zeros
  Window,         ///< `scale_window`: CT, whose numbers mean something (Hounsfield units)
  MinMax,         ///< `scale_minmax`
};
/// The names in weights files: "auto", "zscore" (over the voxels that are not 0), "zscore-all", "window", "minmax",
/// "unit", "none". The programs' option says "zscore-nonzero" and "zscore" for the two z-scores.
const char* to_string(Normalise value);
inline const char* option_names(Normalise) {
  return "\"auto\", \"zscore\", \"zscore-all\", \"window:LOW:HIGH\", \"minmax\", \"unit\" or \"none\"";
}
bool from_string(const std::string& name, Normalise& value);

/// (x - mean) / std for every channel of `image`, (C, …) float32, in place: mean and population standard deviation
/// over the non-zero voxels (skull-stripped MRI: the brain); zeros stay 0. A channel of one value becomes 0 there.
/// Sums are in double. The values must be finite.
void zscore_nonzero(torch::Tensor& image);

/// The same over all voxels.
void zscore_all(torch::Tensor& image);

/// (x - low) / (high - low), cut to 0 … 1, in place. Throws `Error` unless low < high.
void scale_window(torch::Tensor& image, double low, double high);

/// `scale_window` of every channel from its smallest to its largest value; a channel of one value becomes 0.
void scale_minmax(torch::Tensor& image);

/// "window:-100:400" as low and high; false where `text` is anything else, or low is not below high.
bool window_from_string(const std::string& text, double& low, double& high);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/data/normalise-inl.hpp>
#endif
