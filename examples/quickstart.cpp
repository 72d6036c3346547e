// SPDX-License-Identifier: MIT
#include <pam/pam.hpp>

#include <iostream>

int main() {
  // The paper's FPA U-Net: 4 MRI modalities in, one foreground logit out.
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(/*in_channels=*/4, /*classes=*/1));
  std::int64_t parameters = 0;
  for (const auto& p : net->parameters()) parameters += p.numel();
  auto scan = torch::randn({1, 4, 160, 160});
  auto mask = pam::labels_of(net->probabilities(scan));
  std::cout << "FPA U-Net, " << parameters << " parameters: " << scan.sizes() << " -> " << mask.sizes() << "\n";
}
