// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl::Options must offer in_channels and out_channels
#include <pam/nets/unet.hpp>

struct MineOptions {
#ifndef PAM_MISUSE
  TORCH_ARG(std::int64_t, in_channels) = 0;
#endif
  TORCH_ARG(std::int64_t, out_channels) = 0;
  TORCH_ARG(std::int64_t, stride) = 1;

 public:
  template <typename Self, typename Visitor>
  static void visit(Self&, Visitor&&) {}
};
struct MineImpl : torch::nn::Cloneable<MineImpl> {
  using Options = MineOptions;
  explicit MineImpl(const MineOptions&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Mine);
pam::UNetOptions<Mine> options(1, 1);
