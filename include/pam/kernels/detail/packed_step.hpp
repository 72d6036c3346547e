// SPDX-License-Identifier: MIT
/// The weights of one step of FPA's depth-wise branch as the kernels read them: float32, (C, 9) and (C, 2).
#pragma once

#include <pam/core/torch.hpp>

namespace pam::kernels::detail {

struct PackedStep {
  PackedStep(const torch::Tensor& taps, const torch::Tensor& weight, const torch::Tensor& bias)
      : conv(taps.detach().to(torch::kFloat).reshape({-1, 9}).contiguous()),
        norm(torch::stack({weight.detach().to(torch::kFloat), bias.detach().to(torch::kFloat)}, 1)) {}
  torch::Tensor conv, norm;
};

}  // namespace pam::kernels::detail
