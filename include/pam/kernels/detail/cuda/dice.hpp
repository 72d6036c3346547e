// SPDX-License-Identifier: MIT
/// Host code of the CUDA Dice sums, for any Launcher.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

namespace pam::kernels::cuda {

/// logits dense, target float32 and dense in the same order -> (3) float32.
inline torch::Tensor dice_sums(Launcher& device, const torch::Tensor& logits, const torch::Tensor& target) {
  const std::int64_t n = logits.numel(), chunk = std::max<std::int64_t>(1024, ceil_div(n, device.busy_blocks()));
  const auto blocks = ceil_div(n, chunk);
  const auto parts = torch::empty({blocks, 3}, target.options());
  device.run({logits.scalar_type(), 1}, "dice_sums", {{blocks, 1, 1}, device.block(), 0}, pointer(logits),
             pointer(target), pointer(parts), static_cast<long long>(n), static_cast<int>(chunk));
  return parts.sum(0, /*keepdim=*/false, torch::kDouble).to(torch::kFloat);
}

/// d(logits) from the gradient (3) of the sums, float32 and contiguous on the device.
inline torch::Tensor dice_sums_backward(Launcher& device, const torch::Tensor& logits, const torch::Tensor& target,
                                        const torch::Tensor& gradient) {
  auto out = torch::empty_like(logits);
  device.run({logits.scalar_type(), 1}, "dice_gradient", device.threads(logits.numel()), pointer(logits),
             pointer(target), pointer(gradient), pointer(out), static_cast<long long>(logits.numel()));
  return out;
}

}  // namespace pam::kernels::cuda
