// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl::Options must list its fields in a static visit(self, field)
#include <pam/nets/unet.hpp>

struct MineOptions {
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  TORCH_ARG(std::int64_t, stride) = 1;
#ifndef PAM_MISUSE
 public:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("stride", self.stride_);
  }
#endif
};
struct MineImpl : torch::nn::Cloneable<MineImpl> {
  using Options = MineOptions;
  explicit MineImpl(const MineOptions&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Mine);
pam::UNet<Mine> make() { return pam::UNet<Mine>(pam::UNetOptions<Mine>(1, 1)); }
