// SPDX-License-Identifier: MIT
#include <pam/pam.hpp>

#include <iostream>

std::int64_t parameters_elsewhere();
void use_files() __attribute__((weak));       // defined where the component io is asked for
void train_and_save() __attribute__((weak));  // defined where it is not

int main() {
  pam::UNet<pam::FalsePositiveAttention> net(pam::UNetOptions<pam::FalsePositiveAttention>(4, 1).width(4));
  net->eval();
  const auto logits = net(torch::rand({1, 4, 65, 47}));
  std::cout << "pam " << PAM_VERSION << ": FPA U-Net " << logits.size(0) << 'x' << logits.size(1) << 'x'
            << logits.size(2) << 'x' << logits.size(3) << ", " << parameters_elsewhere() << " parameters" << std::endl;
  std::cout << "weights: " << pam::pretrained_path("hippocampus_fpa").string() << std::endl;  // throws if not there
  if (use_files != nullptr) use_files();
  if (train_and_save != nullptr) train_and_save();
  return logits.isfinite().all().item<bool>() ? 0 : 1;
}
