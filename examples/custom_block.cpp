// SPDX-License-Identifier: MIT
/// Your own Block in a pam U-Net: a residual block. What a Block must offer is in pam/core/traits.hpp; leave something
/// out and the compiler answers with one sentence. Run: custom_block
#include <pam/nets/unet.hpp>

#include <iostream>

struct ResidualBlockOptions {
  TORCH_ARG(std::int64_t, in_channels) = 0;  // the three that UNet fills in
  TORCH_ARG(std::int64_t, out_channels) = 0;
  TORCH_ARG(std::int64_t, stride) = 1;
  TORCH_ARG(double, scale) = 1.0;  // and one of its own

 public:
  // Lists the fields once; printing and JSON follow.
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("scale", self.scale_);
  }
};

struct ResidualBlockImpl final : torch::nn::Cloneable<ResidualBlockImpl> {
  using Options = ResidualBlockOptions;

  explicit ResidualBlockImpl(const Options& options_) : options(options_) { reset(); }

  void reset() override {
    body = register_module(
        "body",
        pam::ConvBlock(pam::ConvBlockOptions(options.in_channels(), options.out_channels()).stride(options.stride())));
    shortcut = register_module(
        "shortcut", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in_channels(), options.out_channels(), 1)
                                          .stride(options.stride())
                                          .bias(false)));
  }

  torch::Tensor forward(const torch::Tensor& x) { return shortcut(x) + options.scale() * body(x); }

  Options options;
  pam::ConvBlock body{nullptr};
  torch::nn::Conv2d shortcut{nullptr};
};
TORCH_MODULE(ResidualBlock);

int main() {
  pam::UNet net(pam::UNetOptions<ResidualBlock>(1, 1).width(8).stage(ResidualBlockOptions().scale(0.5)));
  const auto y = net(torch::randn({2, 1, 33, 47}));  // odd sizes are fine
  std::cout << "residual U-Net: " << y.sizes() << ", smallest input " << net->min_size() << "\n";
}
