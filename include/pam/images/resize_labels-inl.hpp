// SPDX-License-Identifier: MIT
/// The definitions of resize_labels.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/resize_labels.hpp>

#include <cstdint>

namespace pam {

PAM_FUNC torch::Tensor resize_labels(const torch::Tensor& labels, std::int64_t height, std::int64_t width) {
  check(labels.defined() && labels.dim() >= 2 && labels.numel() > 0,
        "resize_labels: the labels must be (…, H, W), got {}", shape_string(labels));
  check(height > 0 && width > 0, "resize_labels: the new size must be positive, got {} x {}", height, width);
  const auto nearest = [&labels](std::int64_t from, std::int64_t to) {
    auto index = torch::empty({to}, torch::kLong);
    // The pixel under the centre of the new one: floor((i + 1/2) · from / to), in integers.
    for (std::int64_t i = 0; i < to; ++i) index.data_ptr<std::int64_t>()[i] = (2 * i + 1) * from / (2 * to);
    return index.to(labels.device());
  };
  return labels.index_select(-2, nearest(labels.size(-2), height)).index_select(-1, nearest(labels.size(-1), width));
}

}  // namespace pam
