// SPDX-License-Identifier: MIT
/// The definitions of crop.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/case.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/resize_labels.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pam {

PAM_FUNC void crop_case(Case& source, PlaneSize size, std::int64_t pad_label) {
  if (!size.given() || source.plane() == size) return;
  const std::int64_t target[2] = {size.height, size.width};
  for (std::int64_t axis = 0; axis < 2; ++axis) {
    const auto offset = centre_offset(source.image.size(2 + axis), target[axis]);
    source.image = detail::window(source.image, 2 + axis, offset, target[axis], 0);
    if (source.labels.defined()) {
      source.labels = detail::window(source.labels, 1 + axis, offset, target[axis], static_cast<double>(pad_label));
    }
    const auto index = static_cast<std::size_t>(1 + axis);
    const auto total = source.offset[index] += offset;
    source.cut_before[index] = std::max(source.cut_before[index], total);
    source.cut_after[index] = std::max(source.cut_after[index], source.resized_size[index] - total - target[axis]);
  }
  source.image = source.image.contiguous();  // frees the uncropped volume
  if (source.labels.defined()) source.labels = source.labels.contiguous();
}

PAM_FUNC torch::Tensor to_input_grid(const torch::Tensor& values, const Case& source, double fill) {
  const auto first = values.dim() - 3;
  check(values.dim() == 3 || values.dim() == 4, "to_input_grid: values must be (Z, H, W) or (C, Z, H, W), got {}",
        shape_string(values));
  auto result = values;
  for (std::int64_t axis = 0; axis < 3; ++axis) {
    const auto index = static_cast<std::size_t>(axis);
    check(values.size(first + axis) == source.image.size(1 + axis),
          "to_input_grid: values are {}, but the case {} is {} (channels first)", shape_string(values), source.name,
          shape_string(source.image));
    // Padding inside of what was cut off must not come back as a prediction. (No voxel of the input may be left.)
    const auto size = values.size(first + axis);
    const auto from = std::clamp<std::int64_t>(source.cut_before[index] - source.offset[index], 0, size);
    const auto end = source.resized_size[index] - source.cut_after[index] - source.offset[index];
    const auto to = std::clamp<std::int64_t>(end, from, size);
    result = detail::window(result.narrow(first + axis, from, to - from), first + axis, -(source.offset[index] + from),
                            source.resized_size[index], fill);
  }
  if (source.reorientation.changes()) return source.reorientation.undo(result);  // volumes are not resized
  const auto height = source.input_size[1], width = source.input_size[2];
  if (source.resized_size[1] == height && source.resized_size[2] == width) return result.contiguous();
  if (!values.is_floating_point()) return resize_labels(result, height, width);
  namespace F = torch::nn::functional;
  const auto options = F::InterpolateFuncOptions()
                           .size(std::vector<std::int64_t>{height, width})
                           .mode(torch::kBilinear)
                           .align_corners(false);
  const auto planes = result.reshape({-1, 1, result.size(first + 1), result.size(first + 2)});
  auto target = result.sizes().vec();
  target[static_cast<std::size_t>(first + 1)] = height;
  target[static_cast<std::size_t>(first + 2)] = width;
  return F::interpolate(planes, options).reshape(target);
}

}  // namespace pam
