// SPDX-License-Identifier: MIT
#include <pam/pam.hpp>

std::int64_t parameters_elsewhere() {
  pam::UNet<pam::FalsePositiveAttention> net(pam::UNetOptions<pam::FalsePositiveAttention>(4, 1).width(4));
  std::int64_t count = 0;
  for (const auto& parameter : net->parameters()) count += parameter.numel();
  return count;
}
