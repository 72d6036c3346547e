// SPDX-License-Identifier: MIT
/// Intensities before training: z-score per case and modality, over the voxels that are not 0.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace pam {

/// What `load_case` does with intensities.
enum class Normalise {
  Auto,    ///< volumes: ZScore; pictures: Unit
  ZScore,  ///< `zscore_nonzero`
  Unit,    ///< integers of pictures divided by 255 (8 bits) or 65535 (16 bits); volumes are refused
  None,    ///< as stored
};
inline const char* to_string(Normalise value) {
  return value == Normalise::Auto     ? "auto"
         : value == Normalise::ZScore ? "zscore"
         : value == Normalise::Unit   ? "unit"
                                      : "none";
}
inline const char* option_names(Normalise) { return "\"auto\", \"zscore\", \"unit\" or \"none\""; }
inline bool from_string(const std::string& name, Normalise& value) {
  for (const auto each : {Normalise::Auto, Normalise::ZScore, Normalise::Unit, Normalise::None}) {
    if (name != to_string(each)) continue;
    value = each;
    return true;
  }
  return false;
}

/// (x - mean) / std for every channel of `image`, (C, …) float32, in place: mean and population standard deviation
/// over the non-zero voxels (skull-stripped MRI: the brain); zeros stay 0. A channel of one value becomes 0 there.
/// Sums are in double. The values must be finite.
inline void zscore_nonzero(torch::Tensor& image) {
  check(image.defined() && image.dim() >= 2 && image.scalar_type() == torch::kFloat && image.is_contiguous(),
        "zscore_nonzero: the image must be a contiguous float32 (C, …), got {}", shape_string(image));
  const auto per_channel = image.numel() / std::max<std::int64_t>(image.size(0), 1);
  for (std::int64_t channel = 0; channel < image.size(0); ++channel) {
    float* values = image.data_ptr<float>() + channel * per_channel;
    double sum = 0, count = 0, squares = 0;
    for (std::int64_t i = 0; i < per_channel; ++i) {
      sum += static_cast<double>(values[i]);
      count += values[i] != 0 ? 1 : 0;
    }
    if (count == 0) continue;
    const double mean = sum / count;
    for (std::int64_t i = 0; i < per_channel; ++i) {
      const double difference = static_cast<double>(values[i]) - mean;
      squares += values[i] != 0 ? difference * difference : 0;
    }
    const double deviation = std::sqrt(squares / count);
    // Below this share of the mean the spread is rounding, not signal.
    const double scale = deviation > 1e-7 * std::abs(mean) ? 1 / deviation : 0;
    for (std::int64_t i = 0; i < per_channel; ++i) {
      if (values[i] != 0) values[i] = static_cast<float>((static_cast<double>(values[i]) - mean) * scale);
    }
  }
}

}  // namespace pam
