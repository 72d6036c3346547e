// SPDX-License-Identifier: MIT
/// The definitions of seed.hpp.
#pragma once

#include <pam/core/seed.hpp>
#include <pam/core/torch.hpp>

#include <mutex>

namespace pam {

PAM_FUNC torch::Tensor rng_state() {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

PAM_FUNC void set_rng_state(const torch::Tensor& state) {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

}  // namespace pam
