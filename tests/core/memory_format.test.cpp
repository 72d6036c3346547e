// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <pam/core/memory_format.hpp>

namespace core_memory_format_test {

using namespace pam;

TEST_CASE("a module changes its weights' layout, and the optimizer that holds them stays valid", "[core]") {
  torch::manual_seed(1);
  torch::nn::Sequential net(torch::nn::Conv2d(3, 4, 3), torch::nn::ReLU(), torch::nn::Conv2d(4, 2, 3));
  const auto other = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(net->clone());
  torch::optim::AdamW optimizer(net->parameters(), 0.1), plain(other->parameters(), 0.1);
  const auto x = torch::randn({2, 3, 8, 8});
  const auto step = [&](auto& model, auto& with, const torch::Tensor& input) {
    with.zero_grad();
    model.forward(input).square().sum().backward();
    with.step();
  };
  step(*net, optimizer, x);
  step(*other, plain, x);
  const auto before = net->parameters();
  to_memory_format(*net, at::MemoryFormat::ChannelsLast);
  const auto after = net->parameters();
  for (std::size_t i = 0; i < before.size(); ++i) {
    REQUIRE(after[i].is_same(before[i]));
    REQUIRE(torch::equal(after[i], other->parameters()[i]));
    REQUIRE(after[i].is_leaf());
    if (after[i].dim() != 4) continue;
    REQUIRE(after[i].is_contiguous(at::MemoryFormat::ChannelsLast));
    REQUIRE(after[i].grad().is_contiguous(at::MemoryFormat::ChannelsLast));
  }
  // The next step reads and writes the same weights: another layout adds in another order, so up to rounding.
  step(*net, optimizer, x.contiguous(at::MemoryFormat::ChannelsLast));
  step(*other, plain, x);
  for (std::size_t i = 0; i < after.size(); ++i) {
    REQUIRE(torch::allclose(after[i], other->parameters()[i], 1e-3, 1e-4));
    if (after[i].dim() == 4) REQUIRE(after[i].is_contiguous(at::MemoryFormat::ChannelsLast));
  }
  to_memory_format(*net, at::MemoryFormat::Contiguous);
  for (const auto& parameter : net->parameters()) REQUIRE(parameter.is_contiguous());
}

TEST_CASE("a channels-last convolution of one channel gives channels-last, and a contiguous one contiguous", "[core]") {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(1, 8, 3).padding(1).bias(false));
  const auto x = torch::randn({2, 1, 6, 7});
  const auto expected = conv(x);
  to_memory_format(*conv, at::MemoryFormat::ChannelsLast);
  REQUIRE(conv->weight.suggest_memory_format() == at::MemoryFormat::ChannelsLast);
  const auto y = conv(x.contiguous(at::MemoryFormat::ChannelsLast));
  REQUIRE(is_channels_last(y));
  REQUIRE(torch::allclose(y, expected, 1e-5, 1e-5));  // nine products in another order
  to_memory_format(*conv, at::MemoryFormat::Contiguous);
  REQUIRE(conv->weight.suggest_memory_format() == at::MemoryFormat::Contiguous);
  REQUIRE(torch::equal(conv(x), expected));
}

}  // namespace core_memory_format_test
