// SPDX-License-Identifier: MIT
// expect: pam::fit: the loss must be callable as loss(logits, labels)
#include <pam/train/fit.hpp>

pam::FitResult go(torch::nn::Conv2d& net, std::vector<pam::Batch>& batches, torch::optim::Optimizer& optimizer) {
#ifdef PAM_MISUSE
  const auto loss = [](const torch::Tensor& logits) { return logits.mean(); };
#else
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor& labels) { return (logits - labels).mean(); };
#endif
  return pam::fit(net, batches, loss, optimizer);
}
