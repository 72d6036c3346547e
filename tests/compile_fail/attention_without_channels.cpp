// SPDX-License-Identifier: MIT
// expect: pam: an Attention needs Attention::Impl::Options with channels
#include <pam/attention/attended.hpp>

struct MineOptions {
#ifndef PAM_MISUSE
  TORCH_ARG(std::int64_t, channels) = 0;
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
pam::AttendedOptions<Mine> options(1, 1);
