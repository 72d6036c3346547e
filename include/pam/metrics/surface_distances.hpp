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

#include <pam/core/config.hpp>
#include <pam/metrics/mask_border.hpp>

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

/// Border distances of two binary masks, (H, W) or (D, H, W), of whole numbers (non-zero = foreground) or bool.
/// `spacing`: the voxel size along each axis, in the tensor's order and in any unit; empty: pixels. The distances have
/// that unit. Sizes that NIfTI's float32 has rounded are read as the decimals they stand for: 1.2000000476837158
/// as 1.2. Borders by `mask_border`. Only the box around both borders is transformed, so small lesions in large volumes
/// are cheap. Throws on masks of different shapes, batches, masks that are not whole numbers, and bad spacing.
[[nodiscard]] SurfaceDistances surface_distances(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                 torch::ArrayRef<double> spacing = {},
                                                 Connectivity connectivity = Connectivity::Faces);

/// The percentile (0 to 100) of border distances by `convention`; 100 is `hausdorff`. Undefined where a mask is empty.
[[nodiscard]] std::optional<double> hausdorff_percentile(
    SurfaceDistances distances, double percent, HausdorffConvention convention = HausdorffConvention::MaxOfDirected);

/// HD95, see the table above. Undefined where a mask is empty.
[[nodiscard]] std::optional<double> hausdorff95(const SurfaceDistances& distances,
                                                HausdorffConvention convention = HausdorffConvention::MaxOfDirected);

/// Hausdorff distance: the largest border distance. Undefined where a mask is empty.
[[nodiscard]] std::optional<double> hausdorff(const SurfaceDistances& distances);

/// Normalised surface Dice at tolerance τ (Nikolov et al. 2018, https://arxiv.org/abs/1809.04430), on border voxels
/// (`NsdConvention::Border`; metrics/surface_elements.hpp has the other convention):
/// the share of both borders' points that lie within `tolerance` (unit of the spacing) of the other border, in [0, 1].
/// Distances are compared with a relative slack of 1e-5, so that rounding of voxel sizes puts no point beyond the
/// tolerance. It is a share, not a distance: where one mask alone is empty, no point of the other is near it, so it is
/// 0. Undefined where both are. Throws on a negative or infinite tolerance.
[[nodiscard]] std::optional<double> normalised_surface_dice(const SurfaceDistances& distances, double tolerance = 1);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/surface_distances-inl.hpp>
#endif
