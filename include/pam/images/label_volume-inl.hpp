// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/label_volume.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace pam {
namespace detail {

template <typename Number>
void settle_labels(torch::Tensor& voxels, double slope, bool zero_non_finite, const std::string& file,
                   std::vector<std::string>& notices) {
  voxels = voxels.contiguous();
  auto* data = voxels.data_ptr<Number>();
  std::int64_t non_finite = 0, first_bad = -1;
  double farthest = 0, example = 0, largest = 0;
  for (std::int64_t i = 0; i < voxels.numel(); ++i) {
    const auto value = static_cast<double>(data[i]);
    if (!std::isfinite(value)) {
      if (non_finite++ == 0) first_bad = i;
      if (zero_non_finite) data[i] = 0;
      continue;
    }
    const double distance = std::abs(value - std::nearbyint(value));
    largest = std::max(largest, std::abs(value));
    if (distance > farthest) farthest = distance, example = value;
  }
  check(non_finite == 0 || zero_non_finite,
        "{}: {} of {} voxels are NaN or infinite (the first is number {}), and a label is an integer; repair the file, "
        "or have them taken as background by CaseOptions::zero_non_finite",
        file, non_finite, voxels.numel(), first_bad);
  if (non_finite > 0) {
    notices.push_back(
        formatted("{}: {} of {} voxels are NaN or infinite; taken as background", file, non_finite, voxels.numel()));
  }
  // `LabelMap` takes what is closer to an integer than this.
  constexpr double kExact = 1e-4, kFloatRounding = 1.2e-7;
  if (farthest <= kExact || slope == 0 || farthest >= std::min(0.5, slope / 2 + largest * kFloatRounding)) return;
  for (std::int64_t i = 0; i < voxels.numel(); ++i) data[i] = std::nearbyint(data[i]);
  notices.push_back(formatted(
      "{}: its header scales the labels by {:.6g} (scl_slope), which gives numbers such as {:.6g}; they are rounded to "
      "integers",
      file, slope, example));
}

}  // namespace detail

PAM_FUNC NiftiImage read_label_volume(const std::filesystem::path& path, bool zero_non_finite,
                                      std::vector<std::string>& notices) {
  auto image = read_nifti(path);
  if (image.voxels.scalar_type() == torch::kFloat) {
    detail::settle_labels<float>(image.voxels, image.slope, zero_non_finite, path.string(), notices);
  } else if (image.voxels.scalar_type() == torch::kDouble) {
    detail::settle_labels<double>(image.voxels, image.slope, zero_non_finite, path.string(), notices);
  }
  return image;
}

}  // namespace pam
