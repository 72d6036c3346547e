// SPDX-License-Identifier: MIT
/// `FusedAdamW`: LibTorch's AdamW with the update of all parameters in one kernel instead of a dozen kernels for each:
/// on a GPU their launches take longer than a small network's convolutions.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

namespace pam {

/// `torch::optim::AdamW` in options, state and result (to rounding), so checkpoints of the two are interchangeable.
/// Takes LibTorch's fused kernel (2.4 and newer) where every parameter that has a gradient is float32 on the CPU or a
/// GPU, its gradient and moments lie in memory as it does, and AMSGrad is off; else it steps as the plain AdamW.
class FusedAdamW : public torch::optim::AdamW {
 public:
  using torch::optim::AdamW::AdamW;

  torch::Tensor step(LossClosure closure = nullptr) override;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/fused_adamw-inl.hpp>
#endif
