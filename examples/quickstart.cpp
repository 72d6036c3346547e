// SPDX-License-Identifier: MIT
/// Builds the paper's FPA U-Net and predicts a mask of one random scan. Run: quickstart
#include <pam/pam.hpp>

#include <iostream>

int main() {
  // The paper's FPA U-Net: 4 MRI modalities in, one foreground logit out.
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(/*in_channels=*/4, /*classes=*/1));
  std::int64_t parameters = 0;
  for (const auto& p : net->parameters()) parameters += p.numel();
  // A Predictor prepares the image, undoes reversed labels and records no gradients. Several threads may share it.
  const pam::Predictor predictor(net);
  auto scan = torch::rand({4, 1, 160, 160});  // (channels, slices, height, width)
  auto mask = predictor.labels(scan);
  std::cout << "FPA U-Net, " << parameters << " parameters: " << scan.sizes() << " -> " << mask.sizes() << "\n";
}
