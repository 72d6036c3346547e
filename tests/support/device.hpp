// SPDX-License-Identifier: MIT
/// The device of tests whose body holds on every device, so that a machine without a GPU tries it, too.
#pragma once

#include <pam/core/torch.hpp>

namespace pam::test {

/// The first GPU, or the CPU where there is none.
inline torch::Device best_device() {
  return torch::cuda::is_available() ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
}

}  // namespace pam::test
