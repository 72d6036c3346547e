// SPDX-License-Identifier: MIT
/// FPA in somebody else's LibTorch net: a small classifier whose strided convolutions become FPA blocks, one line each.
#include <pam/attention/false_positive_attention.hpp>

#include <iostream>

/// The net as its owner wrote it, but for `Stage`: it was conv 3x3 stride 2, norm, ReLU.
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

int main() {
  torch::manual_seed(0);
  Classifier<pam::FalsePositiveAttention> net;  // was: Classifier<pam::ConvNormAct>
  torch::optim::AdamW optimizer(net.parameters(), torch::optim::AdamWOptions(3e-3));

  // Learn to tell a disc from noise.
  const auto grid = torch::arange(32.0);
  const auto disc = ((grid - 16).square().unsqueeze(0) + (grid - 16).square().unsqueeze(1) < 64).to(torch::kFloat);
  const auto labels = torch::arange(16) % 2;
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const auto images = torch::randn({16, 3, 32, 32}) + 2 * disc * labels.view({16, 1, 1, 1});
    const auto loss = torch::nn::functional::cross_entropy(net.forward(images), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  std::cout << "loss " << first << " -> " << last << "\n" << (last < first / 4 ? "learnt" : "did not learn") << "\n";
}
