// SPDX-License-Identifier: MIT
// expect: pam::fit: a batch must be a pam::Batch, a pair {images, labels} or a torch::data::Example
#include <pam/train/fit.hpp>

pam::FitResult go(torch::nn::Conv2d& net, torch::optim::Optimizer& optimizer) {
#ifdef PAM_MISUSE
  std::vector<std::vector<torch::data::Example<>>> batches;  // what a torch::data loader without Stack gives
#else
  std::vector<torch::data::Example<>> batches;
#endif
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor& labels) { return (logits - labels).mean(); };
  return pam::fit(net, batches, loss, optimizer);
}
