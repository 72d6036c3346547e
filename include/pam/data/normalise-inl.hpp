// SPDX-License-Identifier: MIT
/// The definitions of normalise.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/normalise.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <string>

namespace pam {

PAM_FUNC const char* to_string(Normalise value) {
  return value == Normalise::Auto            ? "auto"
         : value == Normalise::ZScoreNonzero ? "zscore"
         : value == Normalise::Unit          ? "unit"
         : value == Normalise::ZScoreAll     ? "zscore-all"
         : value == Normalise::Window        ? "window"
         : value == Normalise::MinMax        ? "minmax"
                                             : "none";
}

PAM_FUNC bool from_string(const std::string& name, Normalise& value) {
  for (const auto each : {Normalise::Auto, Normalise::ZScoreNonzero, Normalise::Unit, Normalise::None,
                          Normalise::ZScoreAll, Normalise::MinMax}) {
    if (name != to_string(each)) continue;
    value = each;
    return true;
  }
  return false;
}

namespace detail {

PAM_FUNC void check_normalised(const char* what, const torch::Tensor& image) {
  check(image.defined() && image.dim() >= 2 && image.scalar_type() == torch::kFloat && image.is_contiguous(),
        "{}: the image must be a contiguous float32 (C, …), got {}", what, shape_string(image));
}

PAM_FUNC void zscore(float* values, std::int64_t size, bool zeros_count) {
  const auto counts = [&](std::int64_t i) { return zeros_count || values[i] != 0; };
  double sum = 0, count = 0, squares = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    sum += static_cast<double>(values[i]);
    count += counts(i) ? 1 : 0;
  }
  if (count == 0) return;
  const double mean = sum / count;
  for (std::int64_t i = 0; i < size; ++i) {
    const double difference = static_cast<double>(values[i]) - mean;
    squares += counts(i) ? difference * difference : 0;
  }
  const double deviation = std::sqrt(squares / count);
  // Below this share of the mean the spread is rounding, not signal.
  const double scale = deviation > 1e-7 * std::abs(mean) ? 1 / deviation : 0;
  for (std::int64_t i = 0; i < size; ++i) {
    if (counts(i)) values[i] = static_cast<float>((static_cast<double>(values[i]) - mean) * scale);
  }
}

PAM_FUNC void zscore(torch::Tensor& image, bool zeros_count) {
  const auto channels = image.size(0), size = image.numel() / std::max<std::int64_t>(channels, 1);
  auto* values = image.data_ptr<float>();
  at::parallel_for(0, channels, /*grain_size=*/1, [&](std::int64_t first, std::int64_t last) {
    for (auto channel = first; channel < last; ++channel) zscore(values + channel * size, size, zeros_count);
  });
}

/// `values` to 0 … 1.
PAM_FUNC void scale_range(float* values, std::int64_t count, double low, double high) {
  const double scale = high > low ? 1 / (high - low) : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>((std::clamp(static_cast<double>(values[i]), low, high) - low) * scale);
  }
}

}  // namespace detail

PAM_FUNC void zscore_nonzero(torch::Tensor& image) {
  detail::check_normalised("zscore_nonzero", image);
  detail::zscore(image, false);
}

PAM_FUNC void zscore_all(torch::Tensor& image) {
  detail::check_normalised("zscore_all", image);
  detail::zscore(image, true);
}

PAM_FUNC void scale_window(torch::Tensor& image, double low, double high) {
  detail::check_normalised("scale_window", image);
  check(low < high, "scale_window: the window goes from the lower to the higher value, got {} to {}", low, high);
  detail::scale_range(image.data_ptr<float>(), image.numel(), low, high);
}

PAM_FUNC void scale_minmax(torch::Tensor& image) {
  detail::check_normalised("scale_minmax", image);
  const auto per_channel = image.numel() / std::max<std::int64_t>(image.size(0), 1);
  for (std::int64_t channel = 0; channel < image.size(0) && per_channel > 0; ++channel) {
    float* values = image.data_ptr<float>() + channel * per_channel;
    const auto [low, high] = std::minmax_element(values, values + per_channel);
    detail::scale_range(values, per_channel, static_cast<double>(*low), static_cast<double>(*high));
  }
}

PAM_FUNC bool window_from_string(const std::string& text, double& low, double& high) {
  const std::string prefix = "window:";
  if (text.rfind(prefix, 0) != 0) return false;
  try {
    std::size_t first = 0, second = 0;
    const auto rest = text.substr(prefix.size());
    low = std::stod(rest, &first);
    if (first >= rest.size() || rest[first] != ':') return false;
    high = std::stod(rest.substr(first + 1), &second);
    return first + 1 + second == rest.size() && std::isfinite(low) && std::isfinite(high) && low < high;
  } catch (const std::exception&) {  // no number, or one beyond double
    return false;
  }
}

}  // namespace pam
