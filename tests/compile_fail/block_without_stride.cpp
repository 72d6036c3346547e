// SPDX-License-Identifier: MIT
// expect: pam: Block::Impl::Options must offer stride, since an encoder stage halves the size
#include <pam/core/traits.hpp>

struct LocalOptions {
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
#ifndef PAM_MISUSE
  TORCH_ARG(std::int64_t, stride) = 1;
#endif
};

struct LocalImpl : torch::nn::Cloneable<LocalImpl> {
  using Options = LocalOptions;
  explicit LocalImpl(const Options&) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x; }
};
TORCH_MODULE(Local);

static_assert(sizeof(pam::BlockCheck<Local>) != 0);
