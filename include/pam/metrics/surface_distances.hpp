// SPDX-License-Identifier: MIT
/// Distances between the borders of two masks, and the scores computed from them: HD, HD95 in two conventions, and NSD.
///
/// | convention      | HD95 is                                                             | as           |
/// |-----------------|---------------------------------------------------------------------|--------------|
/// | `MaxOfDirected` | the larger of the two directed 95th percentiles (default)           | MONAI        |
/// | `Concatenated`  | the 95th percentile of both sets of distances together              | medpy `hd95` |
///
/// Concatenated weighs the two directions by their border lengths: a far false positive beside a large mask is diluted.
/// Percentiles interpolate linearly between order statistics, as numpy's default does.
#pragma once

#include <pam/metrics/confusion.hpp>
#include <pam/metrics/distance_transform.hpp>
#include <pam/metrics/mask_border.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace pam {

enum class HausdorffConvention { MaxOfDirected, Concatenated };

/// For each border point of one mask its distance to the other mask's border, in the order of the voxels.
/// Towards an empty mask every distance is +infinity.
struct SurfaceDistances {
  std::vector<double> from_prediction;  ///< empty where the prediction is
  std::vector<double> from_truth;       ///< empty where the truth is

  /// Whether both borders have points, so that distances between them are defined.
  [[nodiscard]] bool defined() const { return !from_prediction.empty() && !from_truth.empty(); }
};

namespace detail {

/// The true voxels of a mask: how many, and the smallest box [first, last] around them.
struct Extent {
  std::int64_t points = 0;
  std::array<std::int64_t, 3> first{0, 0, 0}, last{0, 0, 0};
};

/// `mask`: contiguous bool on the CPU, at most 3 axes (counted from the last: a picture has its rows in entry 1).
inline Extent extent_of(const torch::Tensor& mask) {
  const auto height = mask.dim() > 1 ? mask.size(-2) : 1, width = mask.size(-1);
  const bool* begin = mask.data_ptr<bool>();
  const bool* end = begin + mask.numel();
  Extent extent;
  for (const bool* voxel = begin; (voxel = std::find(voxel, end, true)) != end; ++voxel) {
    const std::int64_t index = voxel - begin;
    const std::array<std::int64_t, 3> at{index / (width * height), index / width % height, index % width};
    for (std::size_t a = 0; a < 3; ++a) {
      extent.first[a] = extent.points == 0 ? at[a] : std::min(extent.first[a], at[a]);
      extent.last[a] = std::max(extent.last[a], at[a]);
    }
    ++extent.points;
  }
  return extent;
}

/// The part of `mask` in the smallest box around both extents.
inline torch::Tensor cropped(torch::Tensor mask, const Extent& a, const Extent& b) {
  for (std::int64_t axis = 0; axis < mask.dim(); ++axis) {
    const auto i = static_cast<std::size_t>(axis + 3 - mask.dim());
    mask = mask.slice(axis, std::min(a.first[i], b.first[i]), std::max(a.last[i], b.last[i]) + 1);
  }
  return mask;
}

/// Distances from the points of border `from` to the nearest of border `to`.
inline std::vector<double> directed_distances(const torch::Tensor& from, const torch::Tensor& to,
                                              torch::ArrayRef<double> spacing) {
  const auto distances = distance_transform(to.logical_not(), spacing).masked_select(from);
  const auto* data = distances.data_ptr<double>();
  return {data, data + distances.numel()};
}

/// numpy.percentile(values, percent) of a non-empty list; reorders it.
inline double percentile(std::vector<double>& values, double percent) {
  const double rank = percent / 100 * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(std::floor(rank));
  std::nth_element(values.begin(), below, values.end());
  const double share = rank - std::floor(rank);
  if (share == 0) return *below;
  const double above = *std::min_element(below + 1, values.end());
  return *below + share * (above - *below);
}

}  // namespace detail

/// Border distances of two binary masks, (H, W) or (D, H, W), of whole numbers (non-zero = foreground) or bool.
/// `spacing`: the voxel size along each axis, in the tensor's order and in any unit; empty: pixels. The distances have
/// that unit.
/// Borders by `mask_border`. Only the box around both borders is transformed, so small lesions in large volumes are
/// cheap. Throws on masks of different shapes, batches, masks that are not whole numbers, and bad spacing.
[[nodiscard]] inline SurfaceDistances surface_distances(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                        torch::ArrayRef<double> spacing = {},
                                                        Connectivity connectivity = Connectivity::Faces) {
  detail::check_masks(prediction, truth);
  check(prediction.dim() == 2 || prediction.dim() == 3,
        "surface_distances: masks must be (H, W) or (D, H, W), one case at a time, got {}", shape_string(prediction));
  const auto steps = detail::checked_spacing(spacing, prediction.dim(), "surface_distances");
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

/// The percentile (0 to 100) of border distances by `convention`; 100 is `hausdorff`. Undefined where a mask is empty.
[[nodiscard]] inline std::optional<double> hausdorff_percentile(
    SurfaceDistances distances, double percent, HausdorffConvention convention = HausdorffConvention::MaxOfDirected) {
  check(percent >= 0 && percent <= 100, "hausdorff_percentile: percent must be 0 to 100, got {}", percent);
  if (!distances.defined()) return std::nullopt;
  auto &a = distances.from_prediction, &b = distances.from_truth;
  if (convention == HausdorffConvention::MaxOfDirected) {
    return std::max(detail::percentile(a, percent), detail::percentile(b, percent));
  }
  a.insert(a.end(), b.begin(), b.end());
  return detail::percentile(a, percent);
}

/// HD95, see the table above. Undefined where a mask is empty.
[[nodiscard]] inline std::optional<double> hausdorff95(
    const SurfaceDistances& distances, HausdorffConvention convention = HausdorffConvention::MaxOfDirected) {
  return hausdorff_percentile(distances, 95, convention);
}

/// Hausdorff distance: the largest border distance. Undefined where a mask is empty.
[[nodiscard]] inline std::optional<double> hausdorff(const SurfaceDistances& distances) {
  if (!distances.defined()) return std::nullopt;
  return std::max(*std::max_element(distances.from_prediction.begin(), distances.from_prediction.end()),
                  *std::max_element(distances.from_truth.begin(), distances.from_truth.end()));
}

/// Normalised surface Dice at tolerance τ (Nikolov et al. 2018, https://arxiv.org/abs/1809.04430), on border voxels:
/// the share of both borders' points that lie within `tolerance` (unit of the spacing) of the other border, in [0, 1].
/// It is a share, not a distance: where one mask alone is empty, no point of the other is near it, so it is 0.
/// Undefined where both are. Throws on a negative or infinite tolerance.
[[nodiscard]] inline std::optional<double> normalised_surface_dice(const SurfaceDistances& distances,
                                                                   double tolerance = 1) {
  check(std::isfinite(tolerance) && tolerance >= 0,
        "normalised_surface_dice: the tolerance must be finite and not negative, got {}", tolerance);
  const auto points = distances.from_prediction.size() + distances.from_truth.size();
  if (points == 0) return std::nullopt;
  // Three steps of 0.1 mm come out as 0.30000000000000004: rounding must not put a point beyond the tolerance.
  const auto near = [limit = tolerance * (1 + 1e-12)](double distance) { return distance <= limit; };
  const auto hits = std::count_if(distances.from_prediction.begin(), distances.from_prediction.end(), near) +
                    std::count_if(distances.from_truth.begin(), distances.from_truth.end(), near);
  return static_cast<double>(hits) / static_cast<double>(points);
}

}  // namespace pam
