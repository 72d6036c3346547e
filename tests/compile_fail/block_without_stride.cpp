// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl::Options must offer stride, since an encoder stage halves the size
#include <pam/nets/unet.hpp>

struct MineOptions {
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
#ifndef PAM_MISUSE
  TORCH_ARG(std::int64_t, stride) = 1;
#endif

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
