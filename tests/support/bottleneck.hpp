// SPDX-License-Identifier: MIT
/// A residual block with BatchNorm as ResNets have it: a main branch that is not pam's.
#pragma once

#include <pam/core/options.hpp>

#include <ostream>

namespace pam::test {

struct BottleneckOptions {
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  TORCH_ARG(std::int64_t, stride) = 1;

 public:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
  }
};

/// relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x)))))))) + bn(shortcut(x))): 1x1, 3x3 with the stride, 1x1.
class BottleneckImpl final : public torch::nn::Cloneable<BottleneckImpl> {
 public:
  using Options = BottleneckOptions;

  explicit BottleneckImpl(const Options& options_) : options(options_) { reset(); }

  void reset() override {
    const auto in = options.in_channels(), out = options.out_channels(), width = (out + 1) / 2;
    body = this->register_module(
        "body", torch::nn::Sequential(conv(in, width, 1, 1), torch::nn::BatchNorm2d(width), torch::nn::ReLU(),
                                      conv(width, width, 3, options.stride()), torch::nn::BatchNorm2d(width),
                                      torch::nn::ReLU(), conv(width, out, 1, 1), torch::nn::BatchNorm2d(out)));
    shortcut = this->register_module(
        "shortcut", torch::nn::Sequential(conv(in, out, 1, options.stride()), torch::nn::BatchNorm2d(out)));
  }

  torch::Tensor forward(const torch::Tensor& x) { return torch::relu(body->forward(x) + shortcut->forward(x)); }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "test::Bottleneck", options, 2); }

  Options options;
  torch::nn::Sequential body{nullptr}, shortcut{nullptr};

 private:
  static torch::nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
  }
};
TORCH_MODULE(Bottleneck);

}  // namespace pam::test
