// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/confusion.hpp>
#include <pam/metrics/detail/directed_distances.hpp>
#include <pam/metrics/distance_transform.hpp>
#include <pam/metrics/surface_distances.hpp>

#include <algorithm>
#include <cmath>

namespace pam {

namespace detail {

/// numpy.percentile(values, percent) of a non-empty list; reorders it.
PAM_FUNC double percentile(std::vector<double>& values, double percent) {
  const double rank = percent / 100 * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(std::floor(rank));
  std::nth_element(values.begin(), below, values.end());
  const double share = rank - std::floor(rank);
  if (share == 0) return *below;
  const double above = *std::min_element(below + 1, values.end());
  return *below + share * (above - *below);
}

}  // namespace detail

PAM_FUNC SurfaceDistances surface_distances(const torch::Tensor& prediction, const torch::Tensor& truth,
                                            torch::ArrayRef<double> spacing, Connectivity connectivity) {
  detail::check_masks(prediction, truth);
  check(prediction.dim() == 2 || prediction.dim() == 3,
        "surface_distances: masks must be (H, W) or (D, H, W), one case at a time, got {}", shape_string(prediction));
  const auto steps = detail::decimal_spacing(detail::checked_spacing(spacing, prediction.dim(), "surface_distances"));
  auto of_prediction = mask_border(prediction, connectivity), of_truth = mask_border(truth, connectivity);
  const auto predicted = detail::extent_of(of_prediction), expected = detail::extent_of(of_truth);
  if (predicted.points == 0 || expected.points == 0) {
    const auto far = [](std::int64_t n) { return std::vector<double>(static_cast<std::size_t>(n), detail::kFar); };
    return {far(predicted.points), far(expected.points)};
  }
  of_prediction = detail::cropped(of_prediction, predicted, expected);
  of_truth = detail::cropped(of_truth, predicted, expected);
  return {detail::directed_distances(of_prediction, of_truth, steps),
          detail::directed_distances(of_truth, of_prediction, steps)};
}

PAM_FUNC std::optional<double> hausdorff_percentile(SurfaceDistances distances, double percent,
                                                    HausdorffConvention convention) {
  check(percent >= 0 && percent <= 100, "hausdorff_percentile: percent must be 0 to 100, got {}", percent);
  if (!distances.defined()) return std::nullopt;
  auto &a = distances.from_prediction, &b = distances.from_truth;
  if (convention == HausdorffConvention::MaxOfDirected) {
    return std::max(detail::percentile(a, percent), detail::percentile(b, percent));
  }
  a.insert(a.end(), b.begin(), b.end());
  return detail::percentile(a, percent);
}

PAM_FUNC std::optional<double> hausdorff95(const SurfaceDistances& distances, HausdorffConvention convention) {
  return hausdorff_percentile(distances, 95, convention);
}

PAM_FUNC std::optional<double> hausdorff(const SurfaceDistances& distances) {
  if (!distances.defined()) return std::nullopt;
  return std::max(*std::max_element(distances.from_prediction.begin(), distances.from_prediction.end()),
                  *std::max_element(distances.from_truth.begin(), distances.from_truth.end()));
}

PAM_FUNC std::optional<double> normalised_surface_dice(const SurfaceDistances& distances, double tolerance) {
  check(std::isfinite(tolerance) && tolerance >= 0,
        "normalised_surface_dice: the tolerance must be finite and not negative, got {}", tolerance);
  const auto points = distances.from_prediction.size() + distances.from_truth.size();
  if (points == 0) return std::nullopt;
  const auto near = [&](double distance) { return detail::within(distance, tolerance); };
  const auto hits = std::count_if(distances.from_prediction.begin(), distances.from_prediction.end(), near) +
                    std::count_if(distances.from_truth.begin(), distances.from_truth.end(), near);
  return static_cast<double>(hits) / static_cast<double>(points);
}

}  // namespace pam
