// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl must derive from torch::nn::Cloneable<Block::Impl> and register in reset()
#include <pam/nets/unet.hpp>

#ifndef PAM_MISUSE
struct MineImpl : torch::nn::Cloneable<MineImpl> {
  void reset() override {}
#else
struct MineImpl : torch::nn::Module {
#endif
  using Options = pam::ConvBlockOptions;
  explicit MineImpl(const Options&) {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Mine);
pam::UNetOptions<Mine> options(1, 1);
