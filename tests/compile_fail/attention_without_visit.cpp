// SPDX-License-Identifier: MIT
// expect: pam: Attention::Impl::Options must list its fields in a static visit(self, field)
#include <pam/attention/attended.hpp>

struct MineOptions {
  TORCH_ARG(std::int64_t, channels) = 0;
#ifndef PAM_MISUSE
 public:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
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
pam::Attended<Mine> make() { return pam::Attended<Mine>(pam::AttendedOptions<Mine>(1, 1)); }
