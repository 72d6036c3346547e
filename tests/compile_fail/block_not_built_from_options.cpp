// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl must have a constructor that takes Block::Impl::Options
#include <pam/nets/unet.hpp>

struct MineImpl : torch::nn::Cloneable<MineImpl> {
  using Options = pam::ConvBlockOptions;
#ifndef PAM_MISUSE
  explicit MineImpl(const Options&) {}
#else
  MineImpl(std::int64_t, std::int64_t) {}
#endif
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Mine);
pam::UNetOptions<Mine> options(1, 1);
