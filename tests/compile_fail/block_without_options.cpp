// SPDX-License-Identifier: MIT
// expect: pam: a Block needs Block::Impl::Options with in_channels, out_channels and stride
#include <pam/nets/unet.hpp>

struct MineImpl : torch::nn::Cloneable<MineImpl> {
#ifndef PAM_MISUSE
  using Options = pam::ConvBlockOptions;
#endif
  explicit MineImpl(const pam::ConvBlockOptions&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Mine);
pam::UNetOptions<Mine> options(1, 1);
