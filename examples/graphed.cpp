// SPDX-License-Identifier: MIT
// Training and inference at fixed shapes as CUDA graphs; on a machine without a GPU the same code runs eagerly.
// Run: graphed
#include <pam/losses/dice_loss.hpp>
#include <pam/nets/graphed_inference.hpp>
#include <pam/nets/unet.hpp>
#include <pam/train/graphed_step.hpp>
#include <pam/train/optimizer.hpp>

#include <iostream>

int main() {
  torch::manual_seed(0);
  const torch::Device device = torch::cuda::is_available() ? torch::kCUDA : torch::kCPU;
  pam::UNet net(pam::UNetOptions<pam::ConvBlock>(/*in_channels=*/1, /*classes=*/1).width(8));
  net->to(device);
  const auto images = torch::rand({2, 1, 32, 32}).to(device);
  const auto labels = (images.squeeze(1) > 0.5).to(torch::kLong);

  pam::DiceOptions options;
  options.check_labels = false;  // the check waits for the device, which a graph cannot
  const auto loss = [=](const torch::Tensor& y, const torch::Tensor& t) { return pam::dice_loss(y, t, options); };
  auto optimizer = pam::make_adamw(net);
  pam::GraphedTrainingStep step(net, loss, optimizer, images, labels);
  const auto first = step(images, labels).item<double>();
  double last = first;
  for (int i = 0; i < 20; ++i) last = step(images, labels).item<double>();

  pam::GraphedInference predict(net, images);
  const auto logits = predict(images).clone();  // with a graph the next call overwrites it
  std::cout << (last < first ? "learnt" : "learnt nothing") << ", logits " << logits.sizes() << ", "
            << (predict.graphed() ? "as CUDA graphs" : "eagerly: " + predict.reason()) << "\n";
}
