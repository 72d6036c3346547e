// SPDX-License-Identifier: MIT
#include <pam/layers/conv_block.hpp>

#include <pam/train/detail/optimizer_state.hpp>
#include <pam/train/fused_adamw.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

namespace train_fused_adamw_test {

using namespace pam;

struct Pair {
  ConvBlock net{nullptr}, twin{nullptr};
  std::unique_ptr<FusedAdamW> fused;
  std::unique_ptr<torch::optim::AdamW> plain;

  explicit Pair(bool channels_last, bool amsgrad) {
    torch::manual_seed(7);
    net = ConvBlock(ConvBlockOptions(3, 8).stride(2));
    if (channels_last) {
      for (auto& p : net->parameters()) {
        if (p.dim() == 4) p.set_data(p.contiguous(torch::MemoryFormat::ChannelsLast));
      }
    }
    twin = ConvBlock(std::dynamic_pointer_cast<ConvBlockImpl>(net->clone()));
    const auto options = torch::optim::AdamWOptions(1e-2).weight_decay(0.1).amsgrad(amsgrad);
    fused = std::make_unique<FusedAdamW>(net->parameters(), options);
    plain = std::make_unique<torch::optim::AdamW>(twin->parameters(), options);
  }

  void gradients(int step) {
    const auto mine = net->parameters(), theirs = twin->parameters();
    for (std::size_t i = 0; i < mine.size(); ++i) {
      // A parameter that gets its first gradient later counts its own steps.
      const auto g = i == 1 && step < 3 ? torch::Tensor() : torch::randn_like(mine[i]);
      mine[i].mutable_grad() = g;
      theirs[i].mutable_grad() = g.defined() ? g.clone() : g;
    }
  }

  void check_equal(double bound) {
    const auto mine = net->parameters(), theirs = twin->parameters();
    for (std::size_t i = 0; i < mine.size(); ++i) {
      CHECK((mine[i] - theirs[i]).abs().max().item<double>() <= bound);
    }
  }
};

TEST_CASE("the fused AdamW steps as LibTorch's plain one", "[train]") {
  const auto channels_last = GENERATE(false, true), amsgrad = GENERATE(false, true);
  Pair pair(channels_last, amsgrad);
  for (int step = 0; step < 8; ++step) {
    pair.gradients(step);
    pair.fused->step();
    pair.plain->step();
  }
  // Steps of 1e-2 on weights below 1: float32's rounding of eight updates in another order.
  pair.check_equal(2e-6);
}

TEST_CASE("strides of dimensions of size 1 do not matter to the fused AdamW", "[train]") {
  // What cuDNN gives as gradients of channels-last weights: at::empty(size, ChannelsLast) of a head, a 1x1 convolution
  // and a weight of 3x3, beside what contiguous(ChannelsLast) makes of the weights.
  const std::vector<std::vector<std::int64_t>> sizes{{1, 32, 1, 1}, {16, 32, 1, 1}, {8, 1, 3, 3}, {4, 8, 3, 3}};
  std::vector<torch::Tensor> weights, twins;
  bool differed = false;
  for (const auto& size : sizes) {
    weights.push_back(torch::randn(size).contiguous(torch::MemoryFormat::ChannelsLast).requires_grad_());
    twins.push_back(weights.back().detach().clone().requires_grad_());
    const auto gradient = torch::empty(size, torch::MemoryFormat::ChannelsLast);
    differed = differed || gradient.strides() != weights.back().strides();
    REQUIRE(pam::detail::same_places(gradient, weights.back()));
  }
  REQUIRE(differed);
  REQUIRE_FALSE(pam::detail::same_places(torch::empty({4, 8, 3, 3}), weights[3]));
  REQUIRE_FALSE(pam::detail::same_places(torch::empty({8, 4, 3, 3}), torch::empty({4, 8, 3, 3})));
  FusedAdamW fused(weights, torch::optim::AdamWOptions(1e-2));
  torch::optim::AdamW plain(twins, torch::optim::AdamWOptions(1e-2));
  for (int step = 0; step < 3; ++step) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto gradient = torch::empty(sizes[i], torch::MemoryFormat::ChannelsLast).normal_();
      weights[i].mutable_grad() = gradient;
      twins[i].mutable_grad() = gradient.clone();
    }
    fused.step();
    plain.step();
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK((weights[i] - twins[i]).abs().max().item<double>() <= 2e-6);  // as above
  }
#if PAM_TORCH_AT_LEAST(2, 4)
  CHECK(fused.fused_steps() == 3);
#else
  CHECK(fused.fused_steps() == 0);
#endif
}

TEST_CASE("a plain AdamW continues from the fused one's state", "[train]") {
  Pair pair(false, false);
  for (int step = 0; step < 4; ++step) {
    pair.gradients(step);
    pair.fused->step();
    pair.plain->step();
  }
  const auto mine = pair.net->parameters();
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const auto& own =
        static_cast<const torch::optim::AdamWParamState&>(*pair.fused->state().at(pam::detail::optimizer_key(mine[i])));
    CHECK(own.step() == (i == 1 ? 1 : 4));
    const auto& other = static_cast<const torch::optim::AdamWParamState&>(
        *pair.plain->state().at(pam::detail::optimizer_key(pair.twin->parameters()[i])));
    CHECK((own.exp_avg() - other.exp_avg()).abs().max().item<double>() < 1e-6);
    CHECK((own.exp_avg_sq() - other.exp_avg_sq()).abs().max().item<double>() < 1e-6);
  }
}

TEST_CASE("gradients in another layout than the weights still step right", "[train]") {
  Pair pair(true, false);
  for (int step = 3; step < 6; ++step) {
    pair.gradients(step);
    for (auto& p : pair.net->parameters()) {
      if (p.dim() == 4) p.mutable_grad() = p.grad().contiguous();
    }
    pair.fused->step();
    pair.plain->step();
  }
  pair.check_equal(2e-6);
}

TEST_CASE("a closure is called with gradients on, and its loss returned", "[train]") {
  Pair pair(false, false);
  const auto loss = pair.fused->step([&] {
    const auto value = pair.net(torch::ones({1, 3, 8, 8})).sum();
    value.backward();
    return value;
  });
  CHECK(loss.numel() == 1);
  CHECK(loss.requires_grad());
}

}  // namespace train_fused_adamw_test
