// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl must offer torch::Tensor forward(const torch::Tensor&)
#include <pam/nets/unet.hpp>

struct MineImpl : torch::nn::Cloneable<MineImpl> {
  using Options = pam::ConvBlockOptions;
  explicit MineImpl(const Options&) {}
  void reset() override {}
#ifndef PAM_MISUSE
  torch::Tensor forward(const torch::Tensor& x) { return x; }
#else
  std::vector<torch::Tensor> forward(const torch::Tensor& x) { return {x}; }
#endif
};
TORCH_MODULE(Mine);
pam::UNetOptions<Mine> options(1, 1);
