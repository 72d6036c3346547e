// SPDX-License-Identifier: MIT
#include <pam/pam.hpp>

#include <iostream>

int main() {
  // The paper's FPA U-Net: 4 MRI modalities in, one foreground logit out.
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(/*in_channels=*/4, /*classes=*/1));
  std::int64_t parameters = 0;
  for (const auto& p : net->parameters()) parameters += p.numel();
  // Prepares images as training did, undoes reversed labels, builds no graph; one object serves any number of threads.
  const pam::Predictor predictor(net);
  auto scan = torch::rand({4, 1, 160, 160});  // (channels, slices, height, width)
  auto mask = predictor.labels(scan);
  std::cout << "FPA U-Net, " << parameters << " parameters: " << scan.sizes() << " -> " << mask.sizes() << "\n";
}
