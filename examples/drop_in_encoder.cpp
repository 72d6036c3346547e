// SPDX-License-Identifier: MIT
/// FPA in an existing LibTorch net, a small classifier, in two ways of one line each:
///   - its strided convolutions become FPA blocks (`pam::FalsePositiveAttention`), or
///   - its residual blocks with BatchNorm stay, and FPA's branch gates them (`pam::GatedBlock<ResidualBlock>`).
/// Run it: drop_in_encoder
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/gated_block.hpp>

#include <iostream>
#include <string>

// ---- The net as its owner wrote it -------------------------------------------------------------------------------

struct ResidualBlockOptions {
  ResidualBlockOptions() = default;
  ResidualBlockOptions(std::int64_t in, std::int64_t out) : in_channels_(in), out_channels_(out) {}
  TORCH_ARG(std::int64_t, in_channels) = 0;
  TORCH_ARG(std::int64_t, out_channels) = 0;
  TORCH_ARG(std::int64_t, stride) = 1;

 public:
  // What pam asks of a block's options beside the three above: a list of them, for printing and JSON.
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
  }
};

/// relu(bn2(conv2(relu(bn1(conv1(x))))) + bn(shortcut(x))): the basic block of a ResNet.
struct ResidualBlockImpl final : torch::nn::Cloneable<ResidualBlockImpl> {
  using Options = ResidualBlockOptions;

  explicit ResidualBlockImpl(const Options& options_) : options(options_) { reset(); }

  void reset() override {
    using torch::nn::BatchNorm2d;
    const auto in = options.in_channels(), out = options.out_channels();
    body = register_module("body", torch::nn::Sequential(conv(in, out, 3, options.stride()), BatchNorm2d(out),
                                                         torch::nn::ReLU(), conv(out, out, 3, 1), BatchNorm2d(out)));
    shortcut = register_module("shortcut", torch::nn::Sequential(conv(in, out, 1, options.stride()), BatchNorm2d(out)));
  }

  torch::Tensor forward(const torch::Tensor& x) { return torch::relu(body->forward(x) + shortcut->forward(x)); }

  static torch::nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
  }

  Options options;
  torch::nn::Sequential body{nullptr}, shortcut{nullptr};
};
TORCH_MODULE(ResidualBlock);

template <typename Stage>
struct Classifier : torch::nn::Module {
  Classifier()
      : stage1(register_module("stage1", Stage(typename Stage::Impl::Options(3, 16).stride(2)))),
        stage2(register_module("stage2", Stage(typename Stage::Impl::Options(16, 32).stride(2)))),
        head(register_module("head", torch::nn::Linear(32, 2))) {}

  torch::Tensor forward(const torch::Tensor& x) { return head(stage2(stage1(x)).amax({2, 3})); }

  Stage stage1, stage2;
  torch::nn::Linear head;
};

// ---- Training it: is there a disc in the noise? --------------------------------------------------------------------

template <typename Stage>
void train(const std::string& name) {
  torch::manual_seed(0);
  Classifier<Stage> net;
  torch::optim::AdamW optimizer(net.parameters(), torch::optim::AdamWOptions(3e-3));
  const auto grid = torch::arange(32.0);
  const auto disc = ((grid - 16).square().unsqueeze(0) + (grid - 16).square().unsqueeze(1) < 64).to(torch::kFloat);
  const auto labels = torch::arange(16) % 2;
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const auto images = torch::randn({16, 3, 32, 32}) + 2 * disc * labels.view({16, 1, 1, 1});
    const torch::Tensor loss = torch::nn::functional::cross_entropy(net.forward(images), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  std::cout << name << ": loss " << first << " -> " << last << ", " << (last < first / 4 ? "learnt" : "did not learn")
            << "\n";
}

int main() {
  train<pam::FalsePositiveAttention>("FPA blocks");                // was: Classifier<pam::ConvNormAct>
  train<pam::GatedBlock<ResidualBlock>>("gated residual blocks");  // was: Classifier<ResidualBlock>
}
