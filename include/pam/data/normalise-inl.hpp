// SPDX-License-Identifier: MIT
/// The definitions of normalise.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/normalise.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace pam {

PAM_FUNC const char* to_string(Normalise value) {
  return value == Normalise::Auto     ? "auto"
         : value == Normalise::ZScore ? "zscore"
         : value == Normalise::Unit   ? "unit"
                                      : "none";
}

PAM_FUNC bool from_string(const std::string& name, Normalise& value) {
  for (const auto each : {Normalise::Auto, Normalise::ZScore, Normalise::Unit, Normalise::None}) {
    if (name != to_string(each)) continue;
    value = each;
    return true;
  }
  return false;
}

PAM_FUNC void zscore_nonzero(torch::Tensor& image) {
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
