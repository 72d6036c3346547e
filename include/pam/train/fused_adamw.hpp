// SPDX-License-Identifier: MIT
/// `FusedAdamW`: LibTorch's AdamW with the update of all parameters in one kernel instead of a dozen kernels for each:
/// on a GPU their launches take longer than a small network's convolutions.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

namespace pam {

/// `torch::optim::AdamW` in options, state and result (to rounding), so checkpoints of the two are interchangeable.
/// Takes LibTorch's fused kernel (2.4 and newer) where every parameter that has a gradient is float32 on the CPU or a
/// GPU, its gradient and moments have the same strides, and AMSGrad is off;
/// otherwise it steps like plain AdamW. `fused_steps()` counts the fused steps.
class FusedAdamW : public torch::optim::AdamW {
 public:
  using torch::optim::AdamW::AdamW;

  torch::Tensor step(LossClosure closure = nullptr) override;

  /// How many of the steps so far took the fused kernel.
  [[nodiscard]] std::int64_t fused_steps() const { return fused_steps_; }

 private:
  std::int64_t fused_steps_ = 0;
};

namespace detail {

/// True if `a` and `b` have the same elements at the same places. The stride of a dimension of size 1 has no meaning,
/// and may differ: cuDNN's gradient of a channels-last weight (1, 32, 1, 1) has strides (32, 1, 32, 32), the weight
/// itself (32, 1, 1, 1).
bool same_places(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace detail

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/fused_adamw-inl.hpp>
#endif
