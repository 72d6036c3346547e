// SPDX-License-Identifier: MIT
/// What the channel attentions share: the width of their bottleneck, and an instance norm that refuses 1x1 maps.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>

namespace pam::detail {

/// max(1, channels / reduction): the authors' code only divides, and breaks at small widths. `who` names the attention.
inline std::int64_t reduced_channels(std::int64_t channels, std::int64_t reduction, const char* who) {
  check(channels > 0, "{}: channels must be positive, got {}", who, channels);
  check(reduction > 0, "{}: reduction must be positive, got {}", who, reduction);
  return std::max<std::int64_t>(1, channels / reduction);
}

/// x (N, C, H, W) normalised over each (sample, channel) plane, times `weight` plus `bias` where defined. LibTorch does
/// not check the plane's size, and the norm of one value is always its bias; it also refuses an empty batch.
inline torch::Tensor checked_instance_norm(const torch::Tensor& x, const torch::Tensor& weight,
                                           const torch::Tensor& bias, const char* who) {
  check(
      x.size(2) * x.size(3) > 1,
      "{}: instance norm needs more than one pixel, got a map of {}; feed a larger image (a net's min_size() says how "
      "large)",
      who, shape_string(x));
  if (x.numel() == 0) return x;
  return torch::instance_norm(x, weight, bias, {}, {}, /*use_input_stats=*/true, /*momentum=*/0.1, /*eps=*/1e-5,
                              /*cudnn_enabled=*/true);
}

}  // namespace pam::detail
