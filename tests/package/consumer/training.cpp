// SPDX-License-Identifier: MIT
// Training, saving, loading and prediction need no component: this file is built where the headers of OpenCV and
// niftiio cannot be found.
#include <pam/pam.hpp>

#include <iostream>

#if __has_include(<opencv2/core.hpp>) || __has_include(<nifti1_io.h>)
#error "OpenCV or niftiio can be included here, so this build does not show that pam::pam needs neither"
#endif

void train_and_save() {
  const auto images = torch::rand({4, 1, 16, 16});
  pam::LoaderOptions loading;
  loading.batch_size = 2;
  const auto labels = (images.squeeze(1) > 0.5).to(torch::kLong);
  pam::DataLoader loader(std::make_shared<pam::TensorDataset>(images, labels), loading);
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(1, 1).width(4));
  auto optimizer = pam::make_adamw(net, {});
  pam::FitOptions options;
  options.epochs = 1;
  options.directory = "training";
  options.overwrite = true;
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor& truth) {
    return pam::dice_loss(logits, truth);
  };
  pam::fit(net, loader, loss, optimizer, options);
  pam::save_network(net, "training/net.safetensors");
  const pam::Predictor predictor("training/net.safetensors");
  net->eval();
  const torch::NoGradGuard no_grad;
  if (!torch::allclose(predictor.probabilities_of_planes(images), net->probabilities(images))) {
    throw pam::Error("the saved network is not the trained one");
  }
  std::cout << "trained, saved and loaded without OpenCV and niftiio" << std::endl;
}
